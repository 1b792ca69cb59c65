#!/usr/bin/env node
// Makes the initrd of a TDX or SEV-SNP guest, which is its whole file system: `node deploy/guest/build.mjs --output FILE
// [--busybox FILE]`. In it: Node.js with its libraries, the enclave's artefact, the launcher, a static busybox for /init.
// The same inputs give the same bytes: names are sorted, owners are root, times are zero, nothing of this machine is in it.
import {spawnSync} from "node:child_process";
import {once} from "node:events";
import {createWriteStream} from "node:fs";
import {readdir, readFile, realpath} from "node:fs/promises";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {createGzip} from "node:zlib";
import {artefactWith, chooseEngine, findEnclaveNode, measureArtefact} from "@tf-trusted/enclave";
import {build} from "esbuild";

const {values} = parseArgs({
  options: {
    output: {type: "string"},
    busybox: {type: "string", default: "/bin/busybox"},
    engine: {type: "string", default: "wasm"},
  },
});
if (values.output === undefined) throw new Error("--output FILE: where the initrd goes");
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
