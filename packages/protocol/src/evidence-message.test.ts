import assert from "node:assert/strict";
import {test} from "node:test";
import {create, fromBinary, toBinary} from "@bufbuild/protobuf";
import {type Evidence, parsePolicy, verifyEvidence} from "@tf-trusted/attestation";
import {evidenceFromMessage, evidenceToMessage} from "./evidence-message.ts";
import {EvidenceSchema} from "./gen/tf_trusted/v1/attestation_pb.ts";

const bytes = (...values: readonly number[]) => Uint8Array.from(values);
const dcap = {tcbInfo: bytes(3), rootCrl: bytes(4), pckChain: bytes(5)};

const samples: {readonly [Kind in Evidence["kind"]]: Extract<Evidence, {kind: Kind}>} = {
  "sgx-quote-v3": {kind: "sgx-quote-v3", quote: bytes(1, 2), collateral: dcap},
  "sgx-quote": {kind: "sgx-quote", quote: bytes(1), collateral: dcap},
  "tdx-quote": {kind: "tdx-quote", quote: bytes(2), collateral: {}},
  "snp-report": {
    kind: "snp-report",
    report: bytes(6),
    collateral: {vcek: bytes(7), amdChain: bytes(8), amdCrl: bytes(9)},
  },
  "nitro-document": {kind: "nitro-document", document: bytes(10), collateral: {}},
};

test("evidence of every kind survives the wire", () => {
  for (const evidence of Object.values(samples)) {
    const sent = toBinary(EvidenceSchema, evidenceToMessage(evidence));
    assert.deepEqual(evidenceFromMessage(fromBinary(EvidenceSchema, sent)), evidence);
  }
});

test("parts of another kind, unknown parts and inherited names are dropped", () => {
  const collateral = {pckCrl: bytes(1), vcek: bytes(2), other: bytes(3), toString: bytes(4)};
  const received = (kind: string) => evidenceFromMessage(create(EvidenceSchema, {kind, collateral})).collateral;
  assert.deepEqual(received("tdx-quote"), {pckCrl: bytes(1)});
  assert.deepEqual(received("snp-report"), {vcek: bytes(2)});
  for (const kind of ["nitro-document", "x", "", "toString", "__proto__"]) assert.deepEqual(received(kind), {});
});

test("evidence of an unknown kind is refused by the verifier, not by the message", async () => {
  const policy = parsePolicy({version: 1, identities: []});
  for (const kind of ["x", "", "toString", "__proto__"]) {
    const evidence = evidenceFromMessage(create(EvidenceSchema, {kind, body: bytes(1)}));
    const report = await verifyEvidence(evidence, {policy, now: new Date(0), expectedReportData: null});
    assert.equal(report.code, "EVIDENCE_KIND", kind);
  }
});
