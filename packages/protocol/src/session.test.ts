import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {test} from "node:test";
import {sessionReportData} from "./session.ts";

const bytes = (value: number, length = 32) => new Uint8Array(length).fill(value);
const binding = {
  role: "enclave",
  spkiSha256: bytes(1),
  nonce: bytes(2),
  exporter: bytes(3),
  claimsSha256: bytes(4),
} as const;

test("report data as DESIGN §5.3 spells it", async () => {
  const expected = createHash("sha512")
    .update("tf-trusted/session/1")
    .update(Uint8Array.of(1))
    .update(bytes(1))
    .update(bytes(2))
    .update(bytes(3))
    .update(bytes(4))
    .digest("hex");
  assert.equal(Buffer.from(await sessionReportData(binding)).toString("hex"), expected);
});

test("every field counts, and has its length", async () => {
  const right = Buffer.from(await sessionReportData(binding)).toString("hex");
  const others = [
    {...binding, role: "client"} as const,
    {...binding, nonce: binding.exporter, exporter: binding.nonce},
    ...(["spkiSha256", "nonce", "exporter", "claimsSha256"] as const).map((name) => ({...binding, [name]: bytes(9)})),
  ];
  const all = new Set([right]);
  for (const other of others) all.add(Buffer.from(await sessionReportData(other)).toString("hex"));
  assert.equal(all.size, 1 + others.length);
  for (const name of ["spkiSha256", "nonce", "exporter", "claimsSha256"] as const) {
    for (const length of [0, 31, 33]) {
      await assert.rejects(sessionReportData({...binding, [name]: bytes(1, length)}), {code: "SESSION_FIELD"});
    }
  }
});
