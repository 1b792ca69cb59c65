#!/usr/bin/env node
// Builds the enclave's artefact from the compiled packages: `npm run artefact -w packages/enclave [-- FOLDER]`.
// `--without-attestation` makes one for the benchmark of what attestation costs a call: only in a folder that is named, and
// with another measurement, so that no policy takes it for the real one.
// The same sources give the same bytes wherever they lie: names, sizes and hashes only, no paths, no dates.
import {mkdir, readFile, rename, rm, writeFile} from "node:fs/promises";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {artefactNames, engineFiles} from "@tf-trusted/litert";
import {build} from "esbuild";
import {
  encodeManifest,
  entryName,
  makeManifest,
  manifestName,
  measureArtefact,
  measureFile,
  nodeName,
} from "../dist/launch/artefact.js";
import {enclaveTarget, findEnclaveNode} from "../dist/launch/node-binary.js";

const packageFolder = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const {values, positionals} = parseArgs({allowPositionals: true, options: {"without-attestation": {type: "boolean"}}});
const withoutAttestation = values["without-attestation"] ?? false;
const shipped = join(packageFolder, "dist/artefact");
const target = resolve(positionals[0] ?? shipped);
if (withoutAttestation && target === shipped)
  throw new Error("--without-attestation: name a folder that isn't shipped");
// Complete or not there: nobody finds a half-built one.
const building = `${target}.${process.pid}`;

await rm(building, {recursive: true, force: true});
await mkdir(building, {recursive: true});
const {files, workerEntry} = await engineFiles("relaxed");
// Some packages of the main thread are CommonJS and ask for Node's modules.
await bundle(join(packageFolder, "dist/main.js"), entryName, {
  ...(withoutAttestation && {plugins: [alwaysAttested()]}),
  banner: {js: "import{createRequire as r_}from'node:module';const require=r_(import.meta.url);"},
});
await bundle(workerEntry, artefactNames.worker);
for (const {name, bytes} of files) await writeFile(join(building, name), bytes);

const names = [entryName, artefactNames.worker, ...files.map(({name}) => name)];
const measured = await Promise.all([
  ...names.map((name) => measureFile(name, join(building, name))),
  measureFile(nodeName, findEnclaveNode()),
]);
const manifest = encodeManifest(makeManifest(measured, enclaveTarget()));
await writeFile(join(building, manifestName), manifest);
if (await isCurrent(manifest)) {
  // Left alone: enclaves may just be starting from these files.
  await rm(building, {recursive: true});
  console.log(`${target} is up to date`);
} else {
  await rm(target, {recursive: true, force: true});
  await rename(building, target);
  console.log(`built ${target}`);
}

async function isCurrent(wanted) {
  try {
    return encodeManifest((await measureArtefact(target)).manifest) === wanted;
  } catch (error) {
    if (error.code === "ARTEFACT_INVALID") return false;
    throw error;
  }
}

/** Sessions that count as attested from the start. */
function alwaysAttested() {
  return {
    name: "always-attested",
    setup: ({onLoad}) =>
      onLoad({filter: /[\\/]session[\\/]session\.js$/}, async ({path}) => {
        const parts = (await readFile(path, "utf8")).split("#attested = false;");
        if (parts.length !== 2) throw new Error(`${path}: expected one place where a session begins unattested`);
        return {contents: parts.join("#attested = true;")};
      }),
  };
}

function bundle(entry, name, options = {}) {
  return build({
    entryPoints: [entry],
    outfile: join(building, name),
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    // Comments would hold the paths of the sources.
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
    ...options,
  });
}
