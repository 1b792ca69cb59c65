#!/usr/bin/env node
// Keeps each package's public signatures in packages/NAME/api.txt, so that a change of the public surface shows in
// review: `npm run api` after a build writes them, `-- --check` fails if they differ (a test runs it).
import {existsSync, readFileSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {globSync} from "./glob.mjs";

const check = process.argv.includes("--check");
let stale = 0;
for (const index of globSync("packages", /^packages\/[^/]+\/dist\/index\.d\.ts$/)) {
  const path = join(dirname(index), "..", "api.txt");
  const text = `${signatures(index).join("\n")}\n`;
  if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
  if (check) {
    console.error(`${path} differs from the public surface: run npm run api and review the change`);
    stale++;
  } else {
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}
process.exit(stale === 0 ? 0 : 1);

/** The declarations that `index` exports by name, sorted, without comments. */
function signatures(index) {
  const source = readFileSync(index, "utf8");
  const found = [];
  for (const [, names, from] of source.matchAll(/export (?:type )?\{([^}]*)\} from "(\.[^"]+)"/g)) {
    const declarations = declarationsOf(join(dirname(index), from));
    for (const item of names
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean)) {
      const [, name, alias = name] = /^(?:type )?(\S+)(?: as (\S+))?$/.exec(item);
      const declaration = declarations.get(name) ?? `(re-exported through ${from}) ${name}`;
      found.push([alias, alias === name ? declaration : `${declaration} // as ${alias}`]);
    }
  }
  for (const [, from] of source.matchAll(/export (?:type )?\* from "(\.[^"]+)"/g)) {
    for (const [name, declaration] of declarationsOf(join(dirname(index), from))) found.push([name, declaration]);
  }
  return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, declaration]) => declaration);
}

/** Top-level exported declarations of a .d.ts file by name; overloads are joined. */
function declarationsOf(file) {
  const text = readFileSync(file.replace(/(\.d)?\.[jt]s$/, ".d.ts"), "utf8").replace(
    /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm,
    "",
  );
  const out = new Map();
  for (const chunk of text.split(/^(?=export )/m)) {
    const name = /^export (?:declare )?(?:abstract )?(?:class|function|interface|const|type|let)\s+([\w$]+)/.exec(
      chunk,
    )?.[1];
    if (name === undefined) continue;
    const body = chunk
      .replace(/\n(?:declare |import )[\s\S]*$/, "")
      .replace(/[ \t]+$/gm, "")
      .replace(/\n{2,}/g, "\n")
      .trim();
    out.set(name, out.has(name) ? `${out.get(name)}\n${body}` : body);
  }
  return out;
}
