import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {test} from "node:test";
import {type DeviceFiles, systemError} from "./device-files.ts";
import {expectedRtmr3, extendRtmr3} from "./tdx-rtmr.ts";

const manifest = Buffer.from("manifest");

/** A register as the TDX module keeps it: new = SHA-384(old ‖ written). */
function register(value: Uint8Array, fails?: string): DeviceFiles & {readonly writes: () => number} {
  let now = value;
  let writes = 0;
  const check = (path: string) => {
    if (!path.endsWith("/rtmr3:sha384")) throw systemError("ENOENT", path);
    if (fails !== undefined) throw systemError(fails, path);
  };
  return {
    writes: () => writes,
    read: async (path) => {
      check(path);
      return now;
    },
    write: async (path, bytes) => {
      check(path);
      if (bytes.length !== 48) throw systemError("EINVAL", path);
      writes++;
      now = createHash("sha384").update(now).update(bytes).digest();
    },
    makeFolder: async (path) => check(path),
    removeFolder: async (path) => check(path),
  };
}

test("extended once, however often the enclave is started again", async () => {
  const files = register(new Uint8Array(48));
  assert.equal(await extendRtmr3(files, manifest), true);
  assert.equal(await extendRtmr3(files, manifest), true);
  assert.equal(files.writes(), 1);
  assert.deepEqual(Buffer.from(await files.read("/rtmr3:sha384", 48)), Buffer.from(expectedRtmr3(manifest)));
});

test("refused: something else was there before, or comes after", async () => {
  await assert.rejects(extendRtmr3(register(new Uint8Array(48).fill(1)), manifest), {code: "PLATFORM_UNSAFE"});
  await assert.rejects(extendRtmr3(register(new Uint8Array(0)), manifest), {code: "PLATFORM_UNSAFE"});
  const files = register(new Uint8Array(48));
  await extendRtmr3(files, manifest);
  await assert.rejects(extendRtmr3(files, Buffer.from("another")), {
    code: "PLATFORM_UNSAFE",
    message: /something else/,
  });
});

test("kernels without it, and those that refuse", async () => {
  assert.equal(await extendRtmr3(register(new Uint8Array(48), "ENOENT"), manifest), false);
  await assert.rejects(extendRtmr3(register(new Uint8Array(48), "EACCES"), manifest), {code: "PLATFORM_FAILED"});
});
