/** TDX and SNP guests over a stand-in of configfs-tsm that behaves as the kernel's (platforms.md §7). */
import assert from "node:assert/strict";
import {test} from "node:test";
import {createSimulatedPlatform, readUnverified} from "@tf-trusted/attestation";
import {encodeHex} from "@tf-trusted/core";
import {fakeMeasurement, snpReportBlob, tdxQuoteBlob} from "../testing/evidence-blobs.ts";
import {fakeConfigfs, type TsmFaults} from "../testing/fake-configfs.ts";
import {readTsmProvider, requestTsmReport} from "./configfs-tsm.ts";
import {type GuestKind, openGuestPlatform} from "./guest.ts";

const simulated = await createSimulatedPlatform({now: () => new Date()});
const reports = {
  tdx: (data: Uint8Array) => tdxQuoteBlob(simulated, data),
  snp: async (data: Uint8Array) => snpReportBlob(data),
};
const providers = {tdx: "tdx_guest\n", snp: "sev_guest\n"};
const pause = async () => {};

function machine(kind: GuestKind, faults: TsmFaults = {}) {
  const files = fakeConfigfs(reports[kind], {provider: providers[kind], noAuxblob: kind === "tdx", ...faults});
  return {files, open: () => openGuestPlatform(kind, {files, pause})};
}

for (const kind of ["tdx", "snp"] as const) {
  test(`${kind}: evidence carries the report data; no folder stays behind`, async () => {
    const {files, open} = machine(kind);
    const platform = await open();
    assert.equal(platform.kind, kind);
    assert.equal(platform.measurement(), encodeHex(fakeMeasurement));
    const asked = Array.from({length: 5}, (_, i) => new Uint8Array(64).fill(i));
    const got = await Promise.all(asked.map((reportData) => platform.evidence(reportData)));
    got.forEach((evidence, i) => {
      assert.ok(evidence.kind !== "nitro-document");
      assert.deepEqual(Uint8Array.from(readUnverified(evidence).reportData), asked[i]);
    });
    assert.deepEqual(files.folders(), []);
    await assert.rejects(platform.sealingKey("a"), {code: "SEALING_MISSING"});
  });

  const refusals: readonly (readonly [string, TsmFaults, string, RegExp])[] = [
    ["no configfs-tsm", {makeFolderFails: "ENOENT"}, "PLATFORM_MISSING", /isn't there \(ENOENT\)/],
    ["no driver", {makeFolderFails: "ENXIO"}, "PLATFORM_MISSING", /isn't there \(ENXIO\)/],
    ["not root", {makeFolderFails: "EACCES"}, "PLATFORM_FAILED", /EACCES.*only root/],
    ["another provider", {provider: "arm_cca_guest\n"}, "PLATFORM_MISSING", /"arm_cca_guest", expected/],
    ["a racing writer that stays", {racingWrites: 9}, "PLATFORM_FAILED", /3 attempts: another writer interfered/],
    ["writes that are lost at close", {lostWrites: 9}, "PLATFORM_FAILED", /EINVAL/],
    ["a device that stays busy", {outblobFails: ["EBUSY", "EBUSY", "EBUSY"]}, "PLATFORM_FAILED", /EBUSY, EBUSY, EBUSY/],
    [
      "a quoting service out of time",
      {outblobFails: ["ETIMEDOUT", "ETIMEDOUT", "ETIMEDOUT"]},
      "PLATFORM_FAILED",
      /TIMED/,
    ],
    ["a driver that refuses", {outblobFails: ["EINVAL"]}, "PLATFORM_FAILED", /EINVAL.*refused/],
    ["a report beyond the kernel's limit", {outblobFails: ["EFBIG"]}, "PLATFORM_FAILED", /EFBIG/],
    ["a report for an older request", {stale: true}, "PLATFORM_FAILED", /other report data/],
    ["a generation that is no number", {generation: "x\n"}, "PLATFORM_FAILED", /generation says "x"/],
    ["a generation that stands still", {generation: "5\n"}, "PLATFORM_FAILED", /interfered/],
    ["a folder that can't be removed", {removeFolderFails: "EBUSY"}, "PLATFORM_FAILED", /can't be removed/],
  ];
  for (const [title, faults, code, message] of refusals) {
    test(`${kind}: refused: ${title}`, async () => {
      const {files, open} = machine(kind, faults);
      await assert.rejects(open(), {code, message});
      if (faults.removeFolderFails === undefined) assert.deepEqual(files.folders(), []);
    });
  }

  test(`${kind}: what passes is tried again: busy, timed out, another writer`, async () => {
    for (const faults of [
      {outblobFails: ["EBUSY", "ETIMEDOUT"]},
      {outblobFails: ["EINTR"]},
      {racingWrites: 2},
    ] satisfies TsmFaults[]) {
      const {files, open} = machine(kind, faults);
      await open();
      assert.deepEqual(files.folders(), []);
    }
  });

  test(`${kind}: refused: a guest for debugging, a report of the other kind, a report that is cut`, async () => {
    const debug = (data: Uint8Array) =>
      kind === "tdx" ? tdxQuoteBlob(simulated, data, {debug: true}) : snpReportBlob(data, {debug: true});
    const other = reports[kind === "tdx" ? "snp" : "tdx"];
    const cut = async (data: Uint8Array) => (await reports[kind](data)).subarray(0, 700);
    for (const [report, code, message] of [
      [debug, "PLATFORM_UNSAFE", /debugging/],
      [other, "PLATFORM_FAILED", /can't be read/],
      [cut, "PLATFORM_FAILED", /can't be read/],
    ] as const) {
      const files = fakeConfigfs(report, {provider: providers[kind]});
      await assert.rejects(openGuestPlatform(kind, {files, pause}), {code, message});
    }
  });
}

test("64 bytes of report data, no more, no less", async () => {
  const {files} = machine("tdx");
  for (const length of [0, 63, 65]) {
    const asked = requestTsmReport({files, pause}, "tdx_guest", new Uint8Array(length));
    await assert.rejects(asked, {code: "PLATFORM_FAILED", message: /expected 64/});
  }
  assert.equal(files.requests(), 0);
});

test("the provider is read and its folder removed; none where there is no configfs-tsm", async () => {
  const {files} = machine("snp");
  assert.equal(await readTsmProvider({files}), "sev_guest");
  assert.deepEqual(files.folders(), []);
  assert.equal(await readTsmProvider({files: machine("snp", {makeFolderFails: "ENXIO"}).files}), undefined);
});

test("snp: the host's certificates travel with the report; a broken table counts as none", async () => {
  const vcek = Uint8Array.of(1, 2, 3);
  const [ask, ark] = [Uint8Array.of(4, 5), Uint8Array.of(6)];
  const table = certificateTable([
    ["c4da5d6364e66445adc5f4b93be8accd", Uint8Array.of(9)],
    ["8d75da6364e66445adc5f4b93be8accd", vcek],
    ["79b3b74aacbbe44fa02f05aef327c782", ask],
    ["a406b4c0 03a8 5249 9743 3fb6014cd0ae".replaceAll(" ", ""), ark],
  ]);
  const certificates = async (auxblob: Uint8Array) => {
    const platform = await machine("snp", {auxblob}).open();
    const evidence = await platform.evidence(new Uint8Array(64));
    assert.ok(evidence.kind === "snp-report");
    return evidence.collateral;
  };
  const {vcek: key, amdChain} = await certificates(table);
  assert.deepEqual(key, vcek);
  const chain = Buffer.from(amdChain!).toString();
  assert.deepEqual(
    [...chain.matchAll(/-----BEGIN CERTIFICATE-----\n(.*)\n-----END/g)].map((match) =>
      Buffer.from(match[1]!, "base64"),
    ),
    [Buffer.from(ask), Buffer.from(ark)],
  );
  assert.deepEqual(await certificates(new Uint8Array(0)), {});
  for (const length of [1, 23, 24, 47, table.length - 1])
    assert.deepEqual(await certificates(table.subarray(0, length)), {});
});

/** GUIDs as they lie in memory. */
function certificateTable(rows: readonly (readonly [guid: string, der: Uint8Array])[]): Uint8Array {
  const header = Buffer.alloc((rows.length + 1) * 24);
  let offset = header.length;
  rows.forEach(([guid, der], i) => {
    Buffer.from(guid, "hex").copy(header, i * 24);
    header.writeUInt32LE(offset, i * 24 + 16);
    header.writeUInt32LE(der.length, i * 24 + 20);
    offset += der.length;
  });
  return Buffer.concat([header, ...rows.map(([, der]) => der)]);
}
