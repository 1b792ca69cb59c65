/** Evidence ↔ message, for every kind of TEE. Which parts there are is the attestation package's table. */
import {create} from "@bufbuild/protobuf";
import {type Evidence, evidenceFromParts, evidenceParts} from "@tf-trusted/attestation";
import {type Evidence as EvidenceMessage, EvidenceSchema} from "./gen/tf_trusted/v1/attestation_pb.ts";

/** The bytes are not copied. */
export function evidenceToMessage(evidence: Evidence): EvidenceMessage {
  const {kind, body, collateral} = evidenceParts(evidence);
  return create(EvidenceSchema, {
    kind,
    body: body as Uint8Array<ArrayBuffer>,
    collateral: collateral as Record<string, Uint8Array<ArrayBuffer>>,
  });
}

/** The evidence as claimed, for `verifyEvidence`, which refuses kinds that it doesn't know. */
export function evidenceFromMessage({kind, body, collateral}: EvidenceMessage): Evidence {
  return evidenceFromParts({kind, body, collateral});
}
