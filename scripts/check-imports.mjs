#!/usr/bin/env node
// Checks the arrows of docs/architecture.md against the imports: which package may use which, and that packages that
// run in browsers import nothing of Node's. Tests may import node:*, and only their own package's dependencies.
import {readFileSync} from "node:fs";
import {globSync} from "./glob.mjs";

const browserPackages = new Set(["core", "tensor", "tflite", "convert", "attestation", "protocol"]);
const bannedImports = new Map([["zod", 'use "zod/mini": the whole of zod is 20 times larger']]);

const problems = [];
for (const manifest of globSync("packages", /^packages\/[^/]+\/package\.json$/)) {
  const folder = manifest.slice(0, -"/package.json".length);
  const name = folder.slice("packages/".length);
  const {
    dependencies = {},
    optionalDependencies = {},
    devDependencies = {},
  } = JSON.parse(readFileSync(manifest, "utf8"));
  const used = new Set();
  for (const file of globSync(`${folder}/src`, /\.ts$/)) {
    const isTest = /\.test\.ts$|\/testing\//.test(file);
    for (const specifier of importsOf(readFileSync(file, "utf8"))) {
      if (specifier.startsWith(".")) continue;
      const banned = bannedImports.get(specifier);
      if (banned) problems.push(`${file}: imports ${specifier}: ${banned}`);
      if (specifier.startsWith("node:")) {
        // Entries of their own (`@tf-trusted/convert/node`), which nothing else imports.
        const isNodeEntry = file.startsWith(`${folder}/src/node/`);
        if (!isTest && !isNodeEntry && browserPackages.has(name))
          problems.push(`${file}: imports ${specifier}, but ${name} runs in browsers`);
        continue;
      }
      const dependency = specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");
      used.add(dependency);
      const declared = dependency in dependencies || dependency in optionalDependencies;
      // What is bundled into the page that `inspect --html` writes is there when the package is built.
      const isBundled = file.startsWith(`${folder}/src/page/`) && dependency in devDependencies;
      const allowedInTest = isTest && (dependency in devDependencies || dependency === "fast-check");
      if (!declared && !allowedInTest && !isBundled)
        problems.push(`${file}: imports ${dependency}, which ${manifest} doesn't declare`);
    }
  }
  for (const dependency of Object.keys(dependencies)) {
    if (!used.has(dependency)) problems.push(`${manifest}: declares ${dependency}, which nothing imports`);
  }
}
for (const problem of problems) console.error(problem);
console.log(`imports: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);

function importsOf(source) {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^;'"]*?\sfrom\s+["']([^"']+)["']|(?:^|\n)import\s+["']([^"']+)["']|(?:\bimport|createRequire\(import\.meta\.url\)\.resolve)\(\s*[`"']((?:@[^/`"']+\/)?[^/`"'$]+)/g;
  return [...source.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3]);
}
