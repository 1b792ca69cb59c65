import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {setTimeout as wait} from "node:timers/promises";
import {enclavesOf, isRunning, runCli, startCli, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
before(async () => {
  ({folder, remove} = await workFolder());
});
after(() => remove());

const bench = ["bench", "fixtures/digits/digits.pb", "--iterations", "1000000"];
const skip = process.platform === "linux" ? false : "looks at /proc, which only Linux has";

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} during predictions: exit code 130, a word, and no enclave is left`, {skip}, async () => {
    const {process: cli, finished, saw} = startCli(bench, folder);
    await saw(/verified/);
    const [enclave] = await enclavesOf(cli.pid!);
    assert.ok(enclave !== undefined && (await isRunning(enclave)));
    cli.kill(signal);
    const {code, stderr} = await finished;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /^error CLI_INTERRUPTED: stopped$/m);
    assert.equal(await isRunning(enclave), false);
  });
}

test("SIGINT while the enclave starts: no enclave is left", {skip}, async () => {
  const {process: cli, finished} = startCli(bench, folder);
  let enclave: number | undefined;
  while (enclave === undefined && cli.exitCode === null) {
    [enclave] = await enclavesOf(cli.pid!);
    await wait(5);
  }
  assert.ok(enclave !== undefined);
  cli.kill("SIGINT");
  assert.equal((await finished).code, 130);
  assert.equal(await isRunning(enclave), false);
});

test("a command that is killed takes its enclave along", {skip}, async () => {
  const {process: cli, finished, saw} = startCli(bench, folder);
  await saw(/verified/);
  const [enclave] = await enclavesOf(cli.pid!);
  assert.ok(enclave !== undefined);
  cli.kill("SIGKILL");
  await finished;
  for (let i = 0; i < 100 && (await isRunning(enclave)); i++) await wait(50);
  assert.equal(await isRunning(enclave), false);
});

test("an error after the enclave was started stops it, and the command ends by itself", {skip}, async () => {
  const words = ["run", "--model-file", "fixtures/digits/digits.pb", "--input-file", "fixtures/digits/digits/3.npy"];
  const {code, stderr} = await runCli([...words, "--output-file", "/dev/full"], folder);
  assert.equal(code, 1);
  assert.match(stderr, /CLI_FILE_WRITE/);
});
