/** An enclave with the native engine: measured, claimed, right, and none the worse for models' processes that are killed. */
import assert from "node:assert/strict";
import {readdir, readFile} from "node:fs/promises";
import {test} from "node:test";
import {setTimeout as delay} from "node:timers/promises";
import {connect, launchSimulated} from "@tf-trusted/client";
import {isNativeInstalled, nativeLibraries, nativeTarget, nativeVersion} from "@tf-trusted/litert";
import {digitsModel, images} from "./harness.ts";

const missing = isNativeInstalled() ? false : "the native engine is not installed (tf-trusted engine install native)";

test("an enclave with the native engine says so in measurement and claims, and computes the same", {
  skip: missing,
}, async () => {
  const results: number[][] = [];
  const measurements = new Set<string>();
  for (const engine of ["wasm", "native"] as const) {
    const server = await launchSimulated({engine, configuration: {modelThreads: 2}});
    try {
      const enclave = await connect({address: server.address, policy: server.policy});
      measurements.add(server.process.measurement);
      const {id, sha256} = enclave.claims.engine;
      if (engine === "native") {
        assert.equal(id, `native/${nativeVersion}/${nativeTarget()}`);
        assert.equal(sha256, nativeLibraries[nativeTarget()]!.sha256);
      } else assert.match(id, /^wasm\//);
      const model = await enclave.load(await digitsModel(), {name: "digits"});
      const {probabilities} = await model.predict(images(3));
      results.push(Array.from(probabilities!.data as Float32Array));
      await enclave.close();
    } finally {
      await server.stop();
    }
  }
  assert.equal(measurements.size, 2);
  results[0]!.forEach((value, at) => {
    assert.ok(Math.abs(value - results[1]![at]!) < 1e-5, `element ${at}: ${value}, ${results[1]![at]}`);
  });
});

test("models' processes are killed while calls come: right answers or coded errors, and then answers again", {
  skip: missing || (process.platform === "linux" ? false : "finds processes in /proc"),
}, async () => {
  const server = await launchSimulated({engine: "native"});
  try {
    const enclave = await connect({address: server.address, policy: server.policy});
    const model = await enclave.load(await digitsModel(), {name: "digits"});
    const expected = Array.from((await model.predict(images(2))).probabilities!.data as Float32Array);
    let failed = 0;
    let right = 0;
    // Until a call was hit at least once; the moment differs from round to round.
    for (let round = 0; round < 4 || (failed === 0 && round < 40); round++) {
      const pids = await childrenOf(server.process.pid);
      const calls = Array.from({length: 6}, () => model.predict(images(2)));
      await delay(round % 4);
      for (const pid of pids) process.kill(pid, "SIGKILL");
      for (const outcome of await Promise.allSettled(calls)) {
        if (outcome.status === "fulfilled") {
          assert.deepEqual(Array.from(outcome.value.probabilities!.data as Float32Array), expected);
          right++;
        } else {
          assert.match(String(outcome.reason), /ENGINE_CRASHED/);
          failed++;
        }
      }
      // The end of a process that nobody was waiting for may be news to the next call.
      const {probabilities} = await model.predict(images(2)).catch((error: unknown) => {
        assert.match(String(error), /ENGINE_CRASHED/);
        return model.predict(images(2));
      });
      assert.deepEqual(Array.from(probabilities!.data as Float32Array), expected);
    }
    assert.ok(failed > 0, "no call was hit: this test shows nothing");
    console.log(`killed under load: ${right} right, ${failed} failed with a code`);
    await enclave.close();
  } finally {
    await server.stop();
  }
});

async function childrenOf(parent: number): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const statuses = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, "utf8").catch(() => "")));
  return pids.filter((_, at) => Number(/^PPid:\s+(\d+)$/m.exec(statuses[at]!)?.[1]) === parent);
}
