#!/usr/bin/env node
// Bundles the command for its start: `npm run bundle -w packages/cli`. Node takes longer to find and read the hundreds
// of modules that a command needs than most commands take to do their work.
import {readFile, rm} from "node:fs/promises";
import {dirname, join, relative, resolve, sep} from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";

const packageFolder = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(packageFolder, "dist/bundle");

/** Modules find their own files beside themselves, so in the bundle they are told where they lay. */
const keepLocations = {
  name: "keep-locations",
  setup(bundle) {
    bundle.onLoad({filter: /\/dist\/.*\.js$/}, async ({path}) => {
      const source = await readFile(path, "utf8");
      if (!source.includes("import.meta.url")) return undefined;
      const location = relative(target, path).split(sep).join("/");
      const moved = `new URL(${JSON.stringify(location)}, import.meta.url).href`;
      return {contents: source.replaceAll("import.meta.url", moved), loader: "js"};
    });
  },
};

await rm(target, {recursive: true, force: true});
// The page that `inspect --html` writes: a script and a style, put into each page.
await build({
  entryPoints: {page: join(packageFolder, "dist/page/main.js"), style: join(packageFolder, "src/page/page.css")},
  outdir: join(packageFolder, "dist/page"),
  entryNames: "page",
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  platform: "browser",
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
});
await build({
  entryPoints: [join(packageFolder, "dist/main.js")],
  outdir: target,
  bundle: true,
  // A command loads its own modules only.
  splitting: true,
  platform: "node",
  target: "node20",
  format: "esm",
  // Some packages are CommonJS and ask for Node's modules.
  banner: {js: "import{createRequire as r_}from'node:module';const require=r_(import.meta.url);"},
  plugins: [keepLocations],
  logLevel: "warning",
});
