/**
 * The kinds of evidence as one table: of which TEE each is, and what it consists of. Whoever carries evidence (messages,
 * files, the control channel) takes it apart and puts it together here, so that a new kind is a new row.
 */
import type {Tee} from "../policy/schema.ts";
import type {Evidence, SgxCollateral, SnpCollateral} from "./evidence.ts";

export interface EvidenceKind {
  readonly tee: Tee;
  /** The member that holds the evidence itself. */
  readonly main: "quote" | "report" | "document";
  /** The members of its collateral. */
  readonly parts: readonly string[];
}

/** Evidence taken apart. The bytes are those of the evidence, not copies. */
export interface EvidenceParts {
  readonly kind: string;
  /** The quote, report or document. */
  readonly body: Uint8Array;
  /** By name; absent parts are left out. */
  readonly collateral: Readonly<Record<string, Uint8Array>>;
}

const dcapParts = [
  "tcbInfo",
  "tcbInfoIssuerChain",
  "qeIdentity",
  "qeIdentityIssuerChain",
  "pckCrl",
  "pckCrlIssuerChain",
  "rootCrl",
  "pckChain",
] as const satisfies readonly (keyof SgxCollateral)[];

const snpParts = ["vcek", "amdChain", "amdCrl"] as const satisfies readonly (keyof SnpCollateral)[];

/** Fails to compile when collateral gets a part that isn't listed. */
type Unlisted =
  | Exclude<keyof SgxCollateral, (typeof dcapParts)[number]>
  | Exclude<keyof SnpCollateral, (typeof snpParts)[number]>;
const _complete: [Unlisted] extends [never] ? true : never = true;
void _complete;

export const evidenceKinds: Readonly<Record<Evidence["kind"], EvidenceKind>> = {
  "sgx-quote-v3": {tee: "sgx", main: "quote", parts: dcapParts},
  "sgx-quote": {tee: "sgx", main: "quote", parts: dcapParts},
  "tdx-quote": {tee: "tdx", main: "quote", parts: dcapParts},
  "snp-report": {tee: "snp", main: "report", parts: snpParts},
  "nitro-document": {tee: "nitro", main: "document", parts: []},
};

export function isEvidenceKind(kind: string): kind is Evidence["kind"] {
  return Object.hasOwn(evidenceKinds, kind);
}

export function evidenceParts(evidence: Evidence): EvidenceParts {
  const {main, parts} = evidenceKinds[evidence.kind];
  const members = evidence as unknown as Readonly<Record<string, Uint8Array>>;
  const collateral = evidence.collateral as Readonly<Record<string, Uint8Array | undefined>>;
  const present = parts.flatMap((name) => {
    const part = collateral[name];
    return part === undefined ? [] : [[name, part] as const];
  });
  return {kind: evidence.kind, body: members[main]!, collateral: Object.fromEntries(present)};
}

/**
 * Evidence as somebody claims it: for `verifyEvidence`, which refuses kinds that it doesn't know. Parts of the collateral
 * that the kind hasn't are dropped, since nobody would check them.
 */
export function evidenceFromParts({kind, body, collateral}: EvidenceParts): Evidence {
  const {main, parts} = isEvidenceKind(kind) ? evidenceKinds[kind] : {main: "quote", parts: []};
  const present = parts.flatMap((name) =>
    Object.hasOwn(collateral, name) ? [[name, collateral[name]!] as const] : [],
  );
  return {kind, [main]: body, collateral: Object.fromEntries(present)} as unknown as Evidence;
}
