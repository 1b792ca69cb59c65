/** `serve --platform` and `enclave measure`: TEEs as far as they can be tried without their hardware. */
import assert from "node:assert/strict";
import {execFile, spawnSync} from "node:child_process";
import {readFileSync} from "node:fs";
import {access, chmod, copyFile, mkdir, readFile, writeFile} from "node:fs/promises";
import {createServer} from "node:net";
import {join} from "node:path";
import {test} from "node:test";
import {promisify} from "node:util";
import {gunzipSync, gzipSync} from "node:zlib";
import {createSimulatedMachine} from "@tf-trusted/attestation";
import {serveSimulatedCollateral} from "@tf-trusted/client";
import {defaultGramineSettings, findEnclaveNode, makeGramineManifest, measureArtefact} from "@tf-trusted/enclave";
import {repository, runCli, startCli, workFolder} from "./cli-process.ts";

const fixture = (name: string) => join(repository, "fixtures/measure", name);
const runner = join(repository, "packages/enclave/dist/testing/gramine-stand-in.js");

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const {port} = server.address() as {port: number};
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A folder with a manifest of the enclave that is built here, and `gramine-sgx`, which plays Gramine, in `bin`. */
async function gramineFolder() {
  const {folder, remove} = await workFolder();
  const port = await freePort();
  const {manifest: artefact} = await measureArtefact();
  const text = makeGramineManifest(
    {arguments: artefact.arguments, files: artefact.files, libos: "libsysdb.so"},
    {...defaultGramineSettings, host: "127.0.0.1", port, enclaveSize: "64M", maxThreads: 4},
  );
  const machine = await createSimulatedMachine("sgx", {now: () => new Date()});
  await writeFile(join(folder, "tf-trusted.manifest.sgx"), text);
  await writeFile(join(folder, "machine.json"), JSON.stringify(await machine.state()));
  await copyFile(fixture("libpal-stand-in.so"), join(folder, "libpal.so"));
  await writeFile(join(folder, "gramine-sgx"), `#!/bin/sh\nexec '${findEnclaveNode()}' '${runner}' "$@"\n`);
  await chmod(join(folder, "gramine-sgx"), 0o755);
  return {folder, remove, machine, text, port};
}

test("serve --platform gramine: attested by the MRENCLAVE that enclave measure gives, and predicts; SIGTERM ends it", async () => {
  const {folder, remove, machine, port} = await gramineFolder();
  const service = await serveSimulatedCollateral({machine});
  try {
    const words = ["enclave", "measure", "--gramine", "tf-trusted.manifest.sgx", "--libpal", "libpal.so", "--json"];
    const {mrEnclave} = JSON.parse((await runCli(words, folder)).stdout) as {readonly mrEnclave: string};
    const policy = {version: 1, identities: [await machine.identity([mrEnclave])]};
    await writeFile(join(folder, "policy.json"), JSON.stringify(policy));
    const path = {PATH: `${folder}:${process.env.PATH}`};
    const {process: child, finished, saw} = startCli(["serve", "--platform", "gramine"], folder, path);
    const {input: banner} = await saw(/listening on (\S+)[\s\S]*Ctrl-C/);
    assert.match(banner, new RegExp(`listening on 127\\.0\\.0\\.1:${port}\\n`));
    assert.match(banner, new RegExp(`measurement +${mrEnclave}`));
    assert.match(banner, /engine +wasm \(this platform forbids child processes/);
    const server = ["--server", `127.0.0.1:${port}`, "--policy", "policy.json", "--collateral", `pccs:${service.url}`];
    const model = ["--model-file", "fixtures/digits/digits.pb", "--input-file", "fixtures/digits/digits/3.npy"];
    const {code, stdout, stderr} = await runCli(["run", ...server, ...model, "--json"], folder);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /0\.99999/);
    policy.identities = [await machine.identity(["00".repeat(32)])];
    await writeFile(join(folder, "policy.json"), JSON.stringify(policy));
    assert.equal((await runCli(["run", ...server, ...model], folder)).code, 3);
    child.kill("SIGINT");
    assert.equal((await finished).code, 0);
    await assert.rejects(fetch(`http://127.0.0.1:${port}`));
  } finally {
    await service.close();
    await remove();
  }
});

test("serve --platform gramine refuses: no Gramine, a manifest that doesn't protect, the native engine, what the enclave refuses", async () => {
  const {folder, remove, text} = await gramineFolder();
  const serve = (path: string, ...flags: readonly string[]) =>
    runCli(["serve", "--platform", "gramine", ...flags], folder, {PATH: path});
  const withStandIn = `${folder}:${process.env.PATH}`;
  try {
    const absent = await serve("/nowhere");
    assert.deepEqual([absent.code, /PLATFORM_MISSING: gramine-sgx isn't on the PATH/.test(absent.stderr)], [1, true]);
    const native = await serve(withStandIn, "--engine", "native");
    assert.match(native.stderr, /ENGINE_MISSING: this platform forbids child processes/);
    for (const [from, to, message] of [
      ["debug = false", "debug = true", /GRAMINE_UNSAFE: .*sgx\.debug is true/],
      ['    "--disable-wasm-trap-handler",\n', "", /GRAMINE_UNSAFE: .*--disable-wasm-trap-handler/],
      ['"--no-addons"', '"--inspect"', /PLATFORM_UNSAFE: the enclave doesn't start: Node\.js runs with --inspect/],
      ['"gramine",\n', '"simulated",\n', /CONFIGURATION: the enclave doesn't start: --platform is simulated/],
    ] as const) {
      assert.ok(text.includes(from), from);
      await writeFile(join(folder, "tf-trusted.manifest.sgx"), text.replace(from, to));
      const {code, stderr} = await serve(withStandIn);
      assert.match(stderr, message);
      assert.equal(code, message.source.startsWith("GRAMINE_UNSAFE") ? 3 : 1);
    }
  } finally {
    await remove();
  }
});

test("in a guest: refused where this isn't one, with what is missing", async (t) => {
  try {
    await access("/sys/kernel/config/tsm/report");
    t.skip("this machine has configfs-tsm: it may be a guest");
    return;
  } catch {
    // As on most machines.
  }
  const {folder, remove} = await workFolder();
  try {
    for (const [platform, driver] of [
      ["tdx", "tdx_guest"],
      ["snp", "sev_guest"],
    ] as const) {
      const {code, stderr} = await runCli(["serve", "--platform", platform, "--port", "0"], folder);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`error PLATFORM_MISSING: .*configfs and its ${driver} driver`));
    }
  } finally {
    await remove();
  }
});

test("enclave measure: what was signed and what the files give; guests; each refusal with its code", async () => {
  const expected = JSON.parse(await readFile(fixture("expected.json"), "utf8"));
  const measure = (...flags: readonly string[]) => runCli(["enclave", "measure", ...flags], repository);
  const json = async (...flags: readonly string[]) => JSON.parse((await measure(...flags, "--json")).stdout);
  const files = ["--gramine", fixture("fixed.manifest.sgx"), "--libpal", fixture("libpal-stand-in.so")];
  const agreed = await json("--sigstruct", fixture("fixed.sig"), ...files);
  assert.deepEqual(
    [agreed.mrEnclave, agreed.mrSigner, agreed.isvSvn, agreed.sources.length],
    [expected.mrEnclave.fixed, expected.mrSigner, 3, 2],
  );
  const firmware = fixture("firmware-stand-in.bin");
  assert.equal((await json("--tdx", firmware)).mrTd, expected.tdx);
  const [{cpu, vcpus, digest}] = expected.snp;
  assert.equal((await json("--snp", firmware, "--cpu", cpu, "--vcpus", String(vcpus))).measurement, digest);
  assert.match((await json()).rtmr3, /^[\da-f]{96}$/);
  for (const [flags, code, message] of [
    [["--sigstruct", fixture("edmm.sig"), ...files], 3, /GRAMINE_MISMATCH/],
    [["--sigstruct", fixture("debug.sig")], 3, /SIGSTRUCT_DEBUG/],
    [["--sigstruct", firmware], 1, /SIGSTRUCT_FORMAT/],
    [["--tdx", fixture("fixed.sig")], 1, /FIRMWARE_FORMAT/],
    [["--vcpus", "2"], 2, /CLI_USAGE: --vcpus is for --snp/],
    [["--snp", firmware, "--kernel", firmware], 2, /CLI_USAGE: direct boot takes/],
  ] as const) {
    const {code: found, stderr} = await measure(...flags);
    assert.match(stderr, message);
    assert.equal(found, code, stderr);
  }
});

test("gramine-direct: the manifest's list of files is complete, and the enclave refuses to run without SGX", async (t) => {
  if (spawnSync("gramine-direct", ["--version"]).error !== undefined) {
    t.skip("gramine-direct isn't on the PATH");
    return;
  }
  const {folder, remove} = await workFolder();
  try {
    const build = spawnSync(process.execPath, [join(repository, "deploy/gramine/build.mjs"), "--output", folder]);
    assert.equal(build.status, 0, String(build.stderr));
    await copyFile(join(folder, "tf-trusted.manifest"), join(folder, "direct.manifest"));
    const {stderr} = spawnSync("gramine-direct", ["direct"], {cwd: folder, timeout: 120_000});
    assert.match(String(stderr), /"event":"start-refused","code":"PLATFORM_MISSING"/);
  } finally {
    await remove();
  }
});

test("deploy/gramine: a manifest that protects, of all files of the enclave, the same for every build", async () => {
  const {folder, remove} = await workFolder();
  try {
    const [first, second] = ["a", "b"].map((name) => {
      const build = ["deploy/gramine/build.mjs", "--output", join(folder, name), "--port", "4433"];
      const {status, stderr} = spawnSync(process.execPath, build, {cwd: repository});
      assert.equal(status, 0, String(stderr));
      return readFileSync(join(folder, name, "tf-trusted.manifest"), "utf8");
    });
    assert.equal(first, second);
    assert.ok(!first!.includes(folder));
    const {manifest} = await measureArtefact();
    for (const {name, sha256} of manifest.files) {
      assert.ok(first!.includes(`uri = "file:app/${name}"\nsha256 = "${sha256}"`), name);
    }
    const unsafe = ["deploy/gramine/build.mjs", "--output", folder, "--configuration", '{"unknown":1}'];
    assert.match(String(spawnSync(process.execPath, unsafe, {cwd: repository}).stderr), /CONFIGURATION/);
  } finally {
    await remove();
  }
});

test("deploy/guest: an initrd with the enclave, its Node.js and nothing of this machine, the same for every build", async () => {
  const {folder, remove} = await workFolder();
  try {
    const modules = join(folder, "modules");
    await mkdir(join(modules, "kernel"), {recursive: true});
    for (const name of ["virtio_net", "net_failover", "failover", "tsm", "floppy"])
      await writeFile(join(modules, `kernel/${name}.ko`), name);
    await writeFile(join(modules, "kernel/sev-guest.ko.gz"), gzipSync("sev-guest"));
    const dependencies = [
      "virtio_net.ko: kernel/net_failover.ko kernel/failover.ko",
      "net_failover.ko: kernel/failover.ko",
      "sev-guest.ko.gz: kernel/tsm.ko",
      ...["failover.ko:", "tsm.ko:", "floppy.ko:"],
    ];
    await writeFile(join(modules, "modules.dep"), dependencies.map((line) => `kernel/${line}\n`).join(""));
    const build = (name: string) =>
      promisify(execFile)(
        process.execPath,
        ["deploy/guest/build.mjs", "--output", join(folder, name), "--busybox", "/bin/true", "--modules", modules],
        {cwd: repository},
      );
    await Promise.all([build("a"), build("b")]);
    const image = await readFile(join(folder, "a"));
    assert.ok(image.equals(await readFile(join(folder, "b"))));
    const archive = gunzipSync(image);
    const names = cpioNames(archive);
    assert.deepEqual(names, [...names].sort());
    // In the order in which they can be loaded; compressed ones as they are inside.
    const order = "failover.ko\nnet_failover.ko\nvirtio_net.ko\ntsm.ko\nsev-guest.ko\n";
    assert.ok(archive.includes(order));
    assert.deepEqual(
      names.filter((name) => name.startsWith("modules/")),
      ["failover.ko", "net_failover.ko", "order", "sev-guest.ko", "tsm.ko", "virtio_net.ko"].map(
        (name) => `modules/${name}`,
      ),
    );
    for (const name of [
      "init",
      "bin/node",
      "bin/busybox",
      "launcher.mjs",
      "enclave/enclave.mjs",
      "enclave/manifest.json",
    ]) {
      assert.ok(names.includes(name), name);
    }
  } finally {
    await remove();
  }
});

/** Names in a "newc" archive; its times have to be zero and its owner root. */
function cpioNames(archive: Buffer): readonly string[] {
  const names: string[] = [];
  for (let at = 0; ; ) {
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + 8 * index, at + 14 + 8 * index), 16);
    assert.equal(archive.toString("latin1", at, at + 6), "070701");
    const [nameBytes, size] = [field(11), field(6)];
    const name = archive.toString("latin1", at + 110, at + 110 + nameBytes - 1);
    if (name === "TRAILER!!!") return names;
    assert.deepEqual([field(2), field(3), field(5)], [0, 0, 0], name);
    names.push(name);
    at += (110 + nameBytes + 3) & ~3;
    at += (size + 3) & ~3;
  }
}
