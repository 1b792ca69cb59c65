/** Evidence ↔ message. The parts of the collateral are known by name; others are dropped, since nobody would check them. */

import {create} from "@bufbuild/protobuf";
import type {DcapEvidence, SgxCollateral} from "@tf-trusted/attestation";
import {type Evidence as EvidenceMessage, EvidenceSchema} from "./gen/tf_trusted/v1/attestation_pb.ts";

const collateralParts = [
  "tcbInfo",
  "tcbInfoIssuerChain",
  "qeIdentity",
  "qeIdentityIssuerChain",
  "pckCrl",
  "pckCrlIssuerChain",
  "rootCrl",
  "pckChain",
] as const satisfies readonly (keyof SgxCollateral)[];

/** Fails to compile when the collateral gets a part that isn't carried. */
type Uncarried = Exclude<keyof SgxCollateral, (typeof collateralParts)[number]>;
const _complete: [Uncarried] extends [never] ? true : never = true;
void _complete;

/** The bytes are not copied. */
export function evidenceToMessage({kind, quote, collateral}: DcapEvidence): EvidenceMessage {
  const parts = collateralParts.flatMap((name) => {
    const part = collateral[name];
    return part === undefined ? [] : [[name, part as Uint8Array<ArrayBuffer>] as const];
  });
  return create(EvidenceSchema, {
    kind,
    quote: quote as Uint8Array<ArrayBuffer>,
    collateral: Object.fromEntries(parts),
  });
}

/** The evidence as claimed, for `verifyEvidence`, which refuses kinds that it doesn't know. */
export function evidenceFromMessage(message: EvidenceMessage): DcapEvidence {
  const collateral: {-readonly [K in keyof SgxCollateral]: SgxCollateral[K]} = {};
  for (const name of collateralParts) {
    if (Object.hasOwn(message.collateral, name)) collateral[name] = message.collateral[name]!;
  }
  return {kind: message.kind as DcapEvidence["kind"], quote: message.quote, collateral};
}
