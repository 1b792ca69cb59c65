#!/usr/bin/env node
// Makes the initrd of a TDX or SEV-SNP guest, which is its whole file system: `node deploy/guest/build.mjs --output FILE
// [--busybox FILE] [--modules /lib/modules/VERSION]`. In it: Node.js with its libraries, the enclave's artefact, the launcher, a
// static busybox for /init, and of the kernel's modules the few drivers that a guest needs, where they aren't built in.
// The same inputs give the same bytes: names are sorted, owners are root, times are zero, nothing of this machine is in it.
import {spawnSync} from "node:child_process";
import {once} from "node:events";
import {createWriteStream} from "node:fs";
import {readdir, readFile, realpath} from "node:fs/promises";
import {basename, dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {createGzip} from "node:zlib";
import {artefactWith, chooseEngine, findEnclaveNode, measureArtefact} from "@tf-trusted/enclave";
import {build} from "esbuild";

const {values} = parseArgs({
  options: {
    output: {type: "string"},
    busybox: {type: "string", default: "/bin/busybox"},
    modules: {type: "string"},
    engine: {type: "string", default: "wasm"},
  },
});
if (values.output === undefined) throw new Error("--output FILE: where the initrd goes");
/** Network, configfs and reports; of names that differ between kernels, both. What no module has is built in, or not there. */
const drivers = [
  "virtio_pci",
  "virtio_net",
  "configfs",
  "tsm",
  "tsm_report",
  "tdx-guest",
  "tdx_guest",
  "sev-guest",
  "sev_guest",
];
const here = dirname(fileURLToPath(import.meta.url));
const node = findEnclaveNode();
const {engine} = chooseEngine(values.engine);
const artefact = await artefactWith(engine);
const {altered, measurement} = await measureArtefact(artefact);
if (altered.length > 0) throw new Error(`${altered.join(", ")} differ from what was built: npm run build`);

/** Path in the image → mode and content; folders have none. */
const entries = new Map();
const folder = (path) => {
  if (path === "." || path === "/" || entries.has(path)) return;
  folder(dirname(path));
  entries.set(path, {mode: 0o040755, content: Buffer.alloc(0)});
};
const file = (path, content, mode = 0o644) => {
  folder(dirname(path));
  entries.set(path, {mode: 0o100000 | mode, content});
};
for (const name of ["proc", "sys", "dev", "tmp"]) folder(name);
file("init", await readFile(join(here, "init")), 0o755);
file("etc/udhcpc.sh", await readFile(join(here, "udhcpc.sh")), 0o755);
file("bin/busybox", await readFile(values.busybox), 0o755);
file("bin/node", await readFile(node), 0o755);
for (const path of librariesOf(node)) file(path.slice(1), await readFile(await realpath(path)), 0o755);
for (const name of (await readdir(artefact)).sort()) file(`enclave/${name}`, await readFile(join(artefact, name)));
file("launcher.mjs", await bundledLauncher());
for (const [name, content] of await driverFiles()) file(`modules/${name}`, content);
await write(values.output);
console.log(`${values.output}: ${entries.size} entries, ${engine} engine, artefact ${measurement}`);

async function bundledLauncher() {
  const {outputFiles} = await build({
    entryPoints: [join(here, "launcher.mjs")],
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    minifyWhitespace: true,
    legalComments: "none",
    write: false,
    banner: {js: "import{createRequire as r_}from'node:module';const require=r_(import.meta.url);"},
  });
  return Buffer.from(outputFiles[0].contents);
}

/** Drivers and what they need, and `order`, which lists them as they have to be loaded. */
async function driverFiles() {
  if (values.modules === undefined) return [["order", Buffer.alloc(0)]];
  const lines = (await readFile(join(values.modules, "modules.dep"), "utf8")).trim().split("\n");
  const needs = new Map(lines.map((line) => line.split(":")).map(([path, rest]) => [path, rest.match(/\S+/g) ?? []]));
  const paths = new Map([...needs.keys()].map((path) => [basename(path).replace(/\.ko.*$/, ""), path]));
  const order = new Set();
  const add = (path) => {
    // modules.dep lists all that is needed, the nearest first.
    for (const needed of [...needs.get(path)].reverse()) order.add(needed);
    order.add(path);
  };
  for (const name of drivers) if (paths.has(name)) add(paths.get(name));
  const nameOf = (path) => basename(path).replace(/\.ko.*$/, ".ko");
  const listed = Buffer.from([...order].map((path) => `${nameOf(path)}\n`).join(""));
  const contents = [...order].map(async (path) => [nameOf(path), await unpacked(join(values.modules, path))]);
  return [["order", listed], ...(await Promise.all(contents))];
}

/** busybox loads no compressed modules. */
async function unpacked(path) {
  const program = {".xz": "xz", ".zst": "zstd", ".gz": "gzip"}[path.slice(path.lastIndexOf("."))];
  if (program === undefined) return readFile(path);
  const {status, stdout, stderr} = spawnSync(program, ["-dc", path], {maxBuffer: 2 ** 28});
  if (status !== 0) throw new Error(`${program} -dc ${path}: ${stderr}`);
  return stdout;
}

function librariesOf(program) {
  const {status, stdout, stderr} = spawnSync("ldd", [program], {encoding: "utf8"});
  if (status !== 0) throw new Error(`ldd ${program}: ${stderr}`);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path);
}

/** cpio, "newc": a header of 110 hexadecimal digits, the name, the content, each padded to four bytes. */
async function write(path) {
  const gzip = createGzip();
  const out = gzip.pipe(createWriteStream(path));
  const put = async (bytes) => gzip.write(bytes) || once(gzip, "drain");
  const names = [...entries.keys()].sort();
  for (const [index, name] of [...names, "TRAILER!!!"].entries()) {
    const {mode, content} = entries.get(name) ?? {mode: 0, content: Buffer.alloc(0)};
    const links = name === "TRAILER!!!" ? 1 : mode >> 12 === 4 ? 2 : 1;
    const fields = [index + 1, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${fields.map((value) => value.toString(16).padStart(8, "0")).join("")}${name}\0`;
    await put(pad(Buffer.from(header, "latin1")));
    await put(pad(content));
  }
  gzip.end();
  await once(out, "finish");
}

function pad(bytes) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
