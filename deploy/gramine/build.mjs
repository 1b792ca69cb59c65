#!/usr/bin/env node
// Makes the folder of an enclave for Gramine: `node deploy/gramine/build.mjs --output DIR`. In it: the enclave and its
// Node.js (`app/`), the shared libraries that this Node.js loads (`lib/`), Gramine's library OS (`gramine/`), and
// `tf-trusted.manifest`, which lists every one of them with its digest. Sign it with gramine-sgx-sign (docs/gramine.md).
// The same inputs give the same bytes wherever the folder lies: no path of this machine is in the manifest.
import {spawnSync} from "node:child_process";
import {existsSync} from "node:fs";
import {copyFile, mkdir, readFile, realpath, rm, writeFile} from "node:fs/promises";
import {basename, dirname, join} from "node:path";
import {parseArgs} from "node:util";
import {
  checkGramineManifest,
  defaultArtefact,
  defaultGramineSettings as defaults,
  findEnclaveNode,
  makeGramineManifest,
  measureArtefact,
  measureFile,
  parseConfiguration,
  parseGramineManifest,
} from "@tf-trusted/enclave";

const gramine = "/usr/lib/x86_64-linux-gnu/gramine";
const {values} = parseArgs({
  options: {
    output: {type: "string"},
    host: {type: "string", default: defaults.host},
    port: {type: "string", default: String(defaults.port)},
    configuration: {type: "string", default: "{}"},
    "enclave-size": {type: "string", default: defaults.enclaveSize},
    threads: {type: "string", default: String(defaults.maxThreads)},
    edmm: {type: "boolean", default: defaults.edmm},
    "isv-prod-id": {type: "string", default: String(defaults.isvProdId)},
    "isv-svn": {type: "string", default: String(defaults.isvSvn)},
    // Gramine's own C library makes system calls faster than the host's, which works as well.
    libc: {type: "string", default: `${gramine}/runtime/glibc`},
    libos: {type: "string", default: `${gramine}/libsysdb.so`},
  },
});
if (values.output === undefined) throw new Error("--output DIR: where to build");
const folder = values.output;
for (const name of ["app", "lib", "gramine"]) {
  await rm(join(folder, name), {recursive: true, force: true});
  await mkdir(join(folder, name), {recursive: true});
}

// The WASM engine: under SGX no child process may be started, in which the native one would run.
const {manifest: artefact, altered} = await measureArtefact(defaultArtefact);
if (altered.length > 0) throw new Error(`${altered.join(", ")} differ from what was built: npm run build`);
const node = findEnclaveNode();
const names = artefact.files.map(({name}) => name).filter((name) => name !== "node");
await copyFile(node, join(folder, "app/node"));
for (const name of names) await copyFile(join(defaultArtefact, name), join(folder, "app", name));

const libraries = await librariesOf(node);
for (const [name, path] of libraries) await copyFile(path, join(folder, "lib", name));

const libos = existsSync(values.libos) ? `gramine/${basename(values.libos)}` : undefined;
if (libos !== undefined) await copyFile(values.libos, join(folder, libos));
else
  console.error(
    `note: ${values.libos} isn't there (--libos FILE): the manifest is complete but for Gramine's own part`,
  );

const paths = [
  "app/node",
  ...names.map((name) => `app/${name}`),
  ...libraries.map(([name]) => `lib/${name}`),
  ...(libos === undefined ? [] : [libos]),
];
const configuration = JSON.parse(values.configuration);
parseConfiguration(configuration);
const text = makeGramineManifest(
  {
    arguments: artefact.arguments,
    files: await Promise.all(paths.map((path) => measureFile(path, join(folder, path)))),
    libos: libos ?? "gramine/libsysdb.so",
  },
  {
    host: values.host,
    port: Number(values.port),
    configuration,
    enclaveSize: values["enclave-size"],
    maxThreads: Number(values.threads),
    edmm: values.edmm,
    isvProdId: Number(values["isv-prod-id"]),
    isvSvn: Number(values["isv-svn"]),
  },
);
const findings = checkGramineManifest(parseGramineManifest(text));
if (findings.length > 0) throw new Error(findings.join("\n"));
await writeFile(join(folder, "tf-trusted.manifest"), text);
console.log(`${join(folder, "tf-trusted.manifest")}: ${paths.length} files`);

/** Names and paths of what the loader would load: Gramine's where it has them, else this system's. */
async function librariesOf(program) {
  const {status, stdout, stderr} = spawnSync("ldd", [program], {encoding: "utf8"});
  if (status !== 0) throw new Error(`ldd ${program}: ${stderr}`);
  const found = [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path);
  const entries = found.map(async (path) => {
    const own = join(values.libc, basename(path));
    return [basename(path), existsSync(own) ? own : await realpath(path)];
  });
  const interpreter = await interpreterOf(program);
  const all = new Map([...(await Promise.all(entries)), [basename(interpreter), await realpath(interpreter)]]);
  const ownInterpreter = join(values.libc, basename(interpreter));
  if (existsSync(ownInterpreter)) all.set(basename(interpreter), ownInterpreter);
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** PT_INTERP: an absolute path, which Gramine looks for by its name in LD_LIBRARY_PATH. */
async function interpreterOf(program) {
  const header = (await readFile(program)).subarray(0, 4096).toString("latin1");
  const path = /\/lib[\w/.-]*\/ld-[\w.-]+/.exec(header)?.[0];
  if (path === undefined || !existsSync(dirname(path))) throw new Error(`${program} names no dynamic loader`);
  return path;
}
