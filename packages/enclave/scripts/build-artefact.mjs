#!/usr/bin/env node
// Builds the enclave's artefacts from the compiled packages: `npm run artefact -w packages/enclave [-- FOLDER]`: FOLDER
// with the WASM engine, FOLDER-native for the native one, complete but for LiteRT's library, which isn't ours to pass on;
// its digest is pinned, so that the manifest is known without it (src/launch/native-artefact.ts puts the two together).
// `--without-attestation` makes them for the benchmark of what attestation costs a call: only in a folder that is named, and
// with another measurement, so that no policy takes them for the real ones.
// The same sources give the same bytes wherever they lie: names, sizes and hashes only, no paths, no dates.
import {copyFile, mkdir, readFile, rename, rm, writeFile} from "node:fs/promises";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {artefactNames, engineFiles, nativeArtefactNames, nativeEngineParts} from "@tf-trusted/litert";
import {build} from "esbuild";
import {
  encodeManifest,
  entryName,
  makeManifest,
  manifestName,
  measureArtefact,
  measureFile,
  nativeNodeArguments,
  nodeArguments,
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
const node = await measureFile(nodeName, findEnclaveNode());

await artefact(target, nodeArguments, async (folder) => {
  const {files, workerEntry} = await engineFiles("relaxed");
  await bundle(workerEntry, join(folder, artefactNames.worker));
  for (const {name, bytes} of files) await writeFile(join(folder, name), bytes);
  return {names: [artefactNames.worker, ...files.map(({name}) => name)], pinned: []};
});

const parts = nativeEngineParts();
if (parts === undefined) console.log(`no native engine for ${enclaveTarget()}`);
else {
  await artefact(`${target}-native`, nativeNodeArguments, async (folder) => {
    const names = nativeArtefactNames();
    await bundle(parts.childEntry, join(folder, names.child));
    await copyFile(parts.addon, join(folder, names.addon));
    const {bytes, sha256} = parts.library;
    return {names: [names.child, names.addon], pinned: [{name: names.library, size: bytes, sha256}]};
  });
}

/** `addFiles` puts an engine's files into a folder, and tells their names and which are to come. */
async function artefact(target, nodeArgs, addFiles) {
  // Complete or not there: nobody finds a half-built one.
  const building = `${target}.${process.pid}`;
  await rm(building, {recursive: true, force: true});
  await mkdir(building, {recursive: true});
  // Some packages of the main thread are CommonJS and ask for Node's modules.
  await bundle(join(packageFolder, "dist/main.js"), join(building, entryName), {
    ...(withoutAttestation && {plugins: [alwaysAttested()]}),
    banner: {js: "import{createRequire as r_}from'node:module';const require=r_(import.meta.url);"},
  });
  const {names, pinned} = await addFiles(building);
  const measured = await Promise.all([entryName, ...names].map((name) => measureFile(name, join(building, name))));
  const manifest = encodeManifest(makeManifest([...measured, ...pinned, node], enclaveTarget(), nodeArgs));
  await writeFile(join(building, manifestName), manifest);
  if (await isCurrent(target, manifest, pinned)) {
    // Left alone: enclaves may just be starting from these files.
    await rm(building, {recursive: true});
    console.log(`${target} is up to date`);
  } else {
    await rm(target, {recursive: true, force: true});
    await rename(building, target);
    console.log(`built ${target}`);
  }
}

/** Whether the folder has this manifest, and the files that it names but for those to come. */
async function isCurrent(target, wanted, pinned) {
  try {
    if ((await readFile(join(target, manifestName), "utf8")) !== wanted) return false;
    const {altered} = await measureArtefact(target);
    return altered.every((name) => pinned.some((file) => file.name === name));
  } catch (error) {
    if (error.code === "ARTEFACT_INVALID" || error.code === "ENOENT") return false;
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

function bundle(entry, outfile, options = {}) {
  return build({
    entryPoints: [entry],
    outfile,
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
