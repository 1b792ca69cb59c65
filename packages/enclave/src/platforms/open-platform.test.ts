/** Which platform is opened, and when the start is refused. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {createSimulatedPlatform} from "@tf-trusted/attestation";
import {sgxQuoteBlob, snpReportBlob, tdxQuoteBlob} from "../testing/evidence-blobs.ts";
import {fakeAttestationDevice} from "../testing/fake-attestation-device.ts";
import {fakeConfigfs, type TsmFaults} from "../testing/fake-configfs.ts";
import {type DeviceFiles, systemError} from "./device-files.ts";
import {openPlatform} from "./open-platform.ts";
import {checkSurroundings} from "./surroundings.ts";

const simulated = await createSimulatedPlatform({now: () => new Date()});
const sgx = fakeAttestationDevice((data) => sgxQuoteBlob(simulated, data));
const tdx = (faults: TsmFaults = {}) => fakeConfigfs((data) => tdxQuoteBlob(simulated, data), faults);
const snp = fakeConfigfs((data) => snpReportBlob(data), {provider: "sev_guest\n"});
const nothing = fakeConfigfs((data) => snpReportBlob(data), {makeFolderFails: "ENOENT"});
const surroundings = {flags: ["--disable-wasm-trap-handler"], environment: {}};

test("auto finds what is there", async () => {
  assert.equal((await openPlatform("auto", surroundings, both(sgx, nothing))).kind, "gramine");
  assert.equal((await openPlatform("auto", surroundings, tdx())).kind, "tdx");
  assert.equal((await openPlatform("auto", surroundings, snp)).kind, "snp");
});

test("auto never falls back: nothing there, an unknown provider, an Azure VM", async () => {
  const refused = (files: DeviceFiles, message: RegExp) =>
    assert.rejects(openPlatform("auto", surroundings, files), {code: "PLATFORM_MISSING", message});
  await refused(nothing, /no TEE is here.*--platform simulated/);
  await refused(tdx({provider: "other_guest\n"}), /"other_guest", expected tdx_guest or sev_guest/);
  const azure: DeviceFiles = {
    ...nothing,
    read: async (path, most) =>
      path.endsWith("chassis_asset_tag")
        ? Buffer.from("7783-7084-3265-9085-8269-3286-77\n")
        : await nothing.read(path, most),
  };
  await refused(azure, /Azure VM.*vTPM/);
});

test("a platform that was named is opened or refused, whatever else is there", async () => {
  await assert.rejects(openPlatform("snp", surroundings, tdx()), {code: "PLATFORM_MISSING", message: /tdx_guest/});
  await assert.rejects(openPlatform("gramine", surroundings, tdx()), {
    code: "PLATFORM_MISSING",
    message: /gramine-sgx/,
  });
});

test("Gramine without --disable-wasm-trap-handler is refused before anything is asked of the device", async () => {
  let touched = false;
  const files: DeviceFiles = {
    ...sgx,
    read: async () => {
      touched = true;
      throw systemError("ENOENT", "");
    },
  };
  for (const flags of [[], ["--wasm-trap-handler"], ["--disable-wasm-trap-handler=false"]]) {
    await assert.rejects(openPlatform("gramine", {flags, environment: {}}, files), {
      code: "PLATFORM_UNSAFE",
      message: /--disable-wasm-trap-handler.*loader\.argv/,
    });
  }
  assert.equal(touched, false);
});

test("flags and variables that change the program are refused", () => {
  const needed = "--disable-wasm-trap-handler";
  for (const flag of ["--inspect", "--inspect-brk=0.0.0.0", "--jitless", "--import=x", "-r"]) {
    assert.throws(() => checkSurroundings("gramine", {flags: [needed, flag], environment: {}}), {
      code: "PLATFORM_UNSAFE",
    });
    assert.throws(() => checkSurroundings("tdx", {flags: [flag], environment: {}}), {code: "PLATFORM_UNSAFE"});
  }
  for (const name of ["NODE_OPTIONS", "LD_PRELOAD", "SSLKEYLOGFILE"]) {
    const environment = {[name]: ""};
    assert.throws(() => checkSurroundings("snp", {flags: [], environment}), {code: "PLATFORM_UNSAFE"});
  }
  checkSurroundings("snp", {flags: ["--permission", "--allow-fs-read=/app"], environment: {PATH: "/bin"}});
  // A guest's native engine computes in children; under Gramine there are none.
  checkSurroundings("tdx", {flags: ["--allow-child-process"], environment: {}});
  assert.throws(() => checkSurroundings("gramine", {flags: [needed, "--allow-child-process"], environment: {}}), {
    code: "PLATFORM_UNSAFE",
  });
});

/** What the first hasn't, the second is asked for. */
function both(first: DeviceFiles, second: DeviceFiles): DeviceFiles {
  return {
    ...second,
    read: (path, most) => (path.startsWith("/dev/") ? first : second).read(path, most),
    write: (path, bytes) => (path.startsWith("/dev/") ? first : second).write(path, bytes),
  };
}
