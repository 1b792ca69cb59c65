import assert from "node:assert/strict";
import {test} from "node:test";
import {create} from "@bufbuild/protobuf";
import {evidenceFromMessage, evidenceToMessage} from "./evidence-message.ts";
import {EvidenceSchema} from "./gen/tf_trusted/v1/attestation_pb.ts";

test("evidence survives; unknown parts and inherited names are dropped", () => {
  const evidence = {
    kind: "sgx-quote-v3",
    quote: Uint8Array.of(1, 2),
    collateral: {tcbInfo: Uint8Array.of(3), rootCrl: Uint8Array.of(4)},
  } as const;
  assert.deepEqual(evidenceFromMessage(evidenceToMessage(evidence)), evidence);
  const collateral = {pckCrl: Uint8Array.of(1), other: Uint8Array.of(2), toString: Uint8Array.of(3)};
  const message = create(EvidenceSchema, {kind: "x", collateral});
  assert.deepEqual(evidenceFromMessage(message).collateral, {pckCrl: Uint8Array.of(1)});
});
