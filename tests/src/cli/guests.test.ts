/** `serve` in TDX and SNP guests, through the real command: its enclave on a stand-in for configfs-tsm, verified by callers. */
import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {cp, mkdir, readFile, symlink, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {createSimulatedMachine, type SimulatedMachine} from "@tf-trusted/attestation";
import {serveSimulatedCollateral} from "@tf-trusted/client";
import {build} from "esbuild";
import {repository, runCli, startScript, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
before(async () => {
  ({folder, remove} = await workFolder());
});
after(() => remove());

const measurement = "5a".repeat(32);
let installations = 0;

/**
 * An installation of its own, a copy of this one, whose artefact has another program: the enclave on a stand-in device. Returns
 * the command's script.
 */
async function install(machine: SimulatedMachine, faults: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const root = join(folder, `installation-${installations++}`);
  const [cli, artefact] = [join(root, "packages/cli"), join(root, "packages/enclave/dist/artefact")];
  await mkdir(cli, {recursive: true});
  for (const part of ["bin", "dist/bundle", "package.json"])
    await cp(join(repository, "packages/cli", part), join(cli, part), {recursive: true});
  await symlink(join(repository, "node_modules"), join(root, "node_modules"));
  await cp(join(repository, "packages/enclave/dist/artefact"), artefact, {recursive: true});
  const entry = join(artefact, "enclave.mjs");
  await build({
    entryPoints: [join(repository, "packages/enclave/dist/testing/guest-stand-in.js")],
    outfile: entry,
    allowOverwrite: true,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    logLevel: "warning",
    define: {STAND_IN: JSON.stringify(JSON.stringify({state: await machine.state(), measurement, ...faults}))},
    banner: {js: "import{createRequire as r_}from'node:module';const require=r_(import.meta.url);"},
  });
  const path = join(artefact, "manifest.json");
  const manifest = JSON.parse(await readFile(path, "utf8")) as {
    readonly files: {readonly name: string; size: number; sha256: string}[];
  };
  const [bytes, file] = [await readFile(entry), manifest.files.find(({name}) => name === "enclave.mjs")!];
  file.size = bytes.length;
  file.sha256 = createHash("sha256").update(bytes).digest("hex");
  await writeFile(path, JSON.stringify(manifest));
  return join(cli, "bin/tf-trusted.js");
}

const serve = (script: string, tee: string) =>
  startScript(script, ["serve", "--platform", tee, "--port", "0", "--engine", "wasm"], folder);

for (const tee of ["tdx", "snp"] as const) {
  test(`${tee}: the guest's own device attests, callers verify and predict, SIGTERM ends it`, async () => {
    const machine = await createSimulatedMachine(tee, {now: () => new Date()});
    const {process: child, finished, saw} = serve(await install(machine), tee);
    const {0: banner, 1: address} = await saw(/listening on (\S+)[\s\S]*Ctrl-C/);
    assert.match(banner, new RegExp(`platform +${tee}`));
    assert.match(banner, /measurement +[\da-f]{96}\n/);
    assert.equal(/rtmr3 +not extended: this kernel gives no access/.test(banner), tee === "tdx");
    const service = await serveSimulatedCollateral({machine});
    const collateral = `${tee === "snp" ? "kds" : "pccs"}:${service.url}`;
    const words = ["run", "--server", address!, "--policy", "policy.json", "--collateral", collateral];
    const model = ["--model-file", "fixtures/digits/digits.pb", "--input-file", "fixtures/digits/digits/3.npy"];
    try {
      for (const [accepted, expected] of [
        [measurement, 0],
        ["00".repeat(32), 3],
      ] as const) {
        const policy = {version: 1, identities: [await machine.identity([accepted])]};
        await writeFile(join(folder, "policy.json"), JSON.stringify(policy));
        const {code, stdout, stderr} = await runCli([...words, ...model, "--json"], folder);
        assert.equal(code, expected, stderr);
        if (expected === 0) assert.match(stdout, /0\.99999/);
      }
    } finally {
      await service.close();
      child.kill("SIGTERM");
    }
    assert.equal((await finished).code, 0);
  });
}

const refusals: readonly (readonly [string, "tdx" | "snp", Readonly<Record<string, unknown>>, RegExp])[] = [
  ["a TDX guest that the host may debug", "tdx", {debug: true}, /^error PLATFORM_UNSAFE: .*debugging/m],
  ["an SNP guest that the host may debug", "snp", {debug: true}, /^error PLATFORM_UNSAFE: .*debugging/m],
  ["another provider", "tdx", {tsm: {provider: "sev_guest\n"}}, /^error PLATFORM_MISSING: .*"sev_guest".*tdx_guest/m],
  ["anybody but root", "tdx", {tsm: {makeFolderFails: "EACCES"}}, /^error PLATFORM_FAILED: .*only root/m],
  ["answers to somebody else", "snp", {tsm: {stale: true}}, /^error PLATFORM_FAILED: .*other report data/m],
];
for (const [name, tee, faults, message] of refusals) {
  test(`serve refuses ${name}`, async () => {
    const machine = await createSimulatedMachine(tee, {now: () => new Date()});
    const {code, stderr} = await serve(await install(machine, faults), tee).finished;
    assert.equal(code, 1, stderr);
    assert.match(stderr, message);
  });
}
