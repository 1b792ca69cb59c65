/**
 * Evidence taken apart for people: which kind it is, and every field of it. Nothing is verified here, and broken evidence
 * is shown up to where it breaks.
 */
import {parseHex, TfTrustedError} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";
import {KEY_TYPE_ECDSA_P256} from "../evidence/dcap/layout.ts";
import type {Tee} from "../policy/schema.ts";
import {inspectDcap} from "./inspect-dcap.ts";
import {inspectNitro} from "./inspect-nitro.ts";
import {inspectSnp} from "./inspect-snp.ts";
import type {InspectedSection, Inspection} from "./inspection.ts";
import {littleEndian} from "./inspection.ts";

export interface DetectedEvidence {
  readonly tee: Tee;
  readonly bytes: Uint8Array;
}

/** The kinds by how they begin; what none of them fits is no evidence. */
const beginnings: readonly {readonly tee: Tee; readonly fits: (bytes: Uint8Array) => boolean}[] = [
  {tee: "tdx", fits: (bytes) => isQuote(bytes) && littleEndian(bytes.subarray(4, 8)) === 0x81},
  {tee: "sgx", fits: isQuote},
  {tee: "snp", fits: (bytes) => bytes.length >= 0x2a0 && littleEndian(bytes.subarray(0, 4)) < 0x100},
  // COSE_Sign1: an array of four, of told or open length, with or without its tag.
  {tee: "nitro", fits: ([first, second]) => isArray(first === 0xd2 ? second : first)},
];

/**
 * Which kind of TEE made `file`: evidence as it is, or as hexadecimal or base64 text of it. Throws `EVIDENCE_KIND` for what is
 * neither.
 */
export function detectEvidence(file: Uint8Array): DetectedEvidence {
  for (const bytes of [file, fromText(file)]) {
    const kind = bytes && beginnings.find(({fits}) => fits(bytes));
    if (kind) return {tee: kind.tee, bytes};
  }
  throw unexpected(
    "EVIDENCE_KIND",
    `${file.length} bytes that begin with ${[...file.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`,
    "an SGX or TDX quote, an SNP report or a Nitro document, raw or as hexadecimal or base64 text",
  );
}

/** Takes evidence apart. Never throws for what it holds. */
export async function inspectEvidence({tee, bytes}: DetectedEvidence): Promise<Inspection> {
  const sections: InspectedSection[] = [];
  let problem: Inspection["problem"] = null;
  try {
    if (tee === "snp") inspectSnp(bytes, sections);
    else if (tee === "nitro") await inspectNitro(bytes, sections);
    else await inspectDcap(bytes, sections);
  } catch (error) {
    if (!(error instanceof TfTrustedError)) throw error;
    problem = {code: error.code, message: error.message};
  }
  return Object.freeze({tee, title: titleOf(tee, bytes), size: bytes.length, sections, problem});
}

function titleOf(tee: Tee, bytes: Uint8Array): string {
  const version = littleEndian(bytes.subarray(0, 2));
  switch (tee) {
    case "sgx":
    case "tdx":
      return `${tee.toUpperCase()} quote, version ${version}`;
    case "snp":
      return `SEV-SNP attestation report, version ${version}`;
    case "nitro":
      return "Nitro attestation document";
  }
}

/** Versions from 1 on have a number of one digit; then comes the type of the key. */
function isQuote(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 48 && bytes[0]! < 10 && bytes[1] === 0 && littleEndian(bytes.subarray(2, 4)) === KEY_TYPE_ECDSA_P256
  );
}

const isArray = (head: number | undefined): boolean => head === 0x84 || head === 0x9f;

function fromText(file: Uint8Array): Uint8Array | null {
  // Binary evidence fails at its first bytes.
  if (file.some((byte) => byte > 0x7e || (byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09))) return null;
  const text = new TextDecoder().decode(file).replace(/\s+/g, "").replace(/^0x/, "");
  if (text.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(text)) return parseHex(text);
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  }
  return null;
}
