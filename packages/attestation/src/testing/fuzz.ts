/**
 * Damaged evidence and collateral of all TEEs, through the whole verifier and through each parser. What must hold for each
 * mutant: there is a report, or a coded error of a parser; nothing is accepted in which a signed byte differs; and neither
 * time nor memory goes beyond a bound that the size of the input says.
 */
import {performance} from "node:perf_hooks";
import {getHeapStatistics} from "node:v8";
import {encodeHex, TfTrustedError} from "@tf-trusted/core";
import {bundleQuestion} from "../bundle/policy.ts";
import {readCbor} from "../cbor/reader.ts";
import {openQeIdentity, readQeIdentity} from "../collateral/qe-identity.ts";
import {openTcbInfo, readTcbInfo} from "../collateral/tcb-info.ts";
import {readDocument, readEnvelope, signedBytes} from "../evidence/nitro/document.ts";
import {parseSgxQuote} from "../evidence/sgx/parse.ts";
import {SIGNED_BYTES} from "../evidence/snp/layout.ts";
import {parseTdxQuote} from "../evidence/tdx/parse.ts";
import {
  type EvidenceBundle,
  evidenceOf,
  inspectEvidence,
  loadBundleFiles,
  parseBundle,
  type VerifyOptions,
  verifyEvidence,
} from "../index.ts";
import {decodeUtf8, parseStrictJson} from "../json/strict-json.ts";
import {parseCertificate, parseCertificates} from "../x509/certificate.ts";
import {parseRevocationList} from "../x509/crl.ts";
import {parsePem} from "../x509/pem.ts";
import {damaged, type Random, randomFrom} from "./mutate.ts";

/** Bytes allocated on the way, garbage included, for an input of so many bytes: at most `base + factor × size`. */
export const allocationLimit = {base: 2 * 1024 * 1024, factor: 128} as const;
/** Wall time, generous for loaded machines: what it finds is time that grows faster than the input. */
const MAX_MS = 5_000;

/** Below this, what every verification takes hides what the input does. */
const LARGE = 4096;

type Files = Readonly<Record<string, Uint8Array>>;

/** Genuine evidence with its collateral. */
export interface Seed {
  readonly id: string;
  readonly tee: EvidenceBundle["tee"];
  readonly files: Files;
  readonly options: VerifyOptions;
}

export interface FuzzResult {
  readonly mutants: number;
  /** Accepted, in which nothing that is signed differs. */
  readonly accepted: number;
  readonly byTarget: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** The most that was allocated for one mutant, and the most for each byte of one of 4 KiB or more. */
  readonly mostAllocated: number;
  readonly mostAllocatedPerByte: number;
  readonly findings: readonly string[];
}

/** A case in the form of bundles. */
export async function seedOf(id: string, value: object, read: (path: string) => Uint8Array): Promise<Seed> {
  const bundle = parseBundle(value);
  const files = await loadBundleFiles(bundle, read);
  const {policy, expectedReportData, expectedNonce} = await bundleQuestion(bundle, files);
  return {id, tee: bundle.tee, files, options: {policy, now: bundle.time, expectedReportData, expectedNonce}};
}

/** The parsers by themselves, each with the parts that it reads. */
const parsers: readonly {
  readonly name: string;
  readonly parts: readonly string[];
  readonly tees: readonly EvidenceBundle["tee"][];
  readonly parse: (bytes: Uint8Array, tee: EvidenceBundle["tee"]) => unknown;
}[] = [
  {name: "TCB info", parts: ["tcbInfo"], tees: ["sgx", "tdx"], parse: (bytes) => readTcbInfo(openTcbInfo(bytes).body)},
  {
    name: "QE identity",
    parts: ["qeIdentity"],
    tees: ["sgx", "tdx"],
    parse: (bytes) => readQeIdentity(openQeIdentity(bytes).body),
  },
  {
    name: "JSON",
    parts: ["tcbInfo", "qeIdentity"],
    tees: ["sgx", "tdx"],
    parse: (bytes) => parseStrictJson(decodeUtf8(bytes)),
  },
  {name: "CRL", parts: ["pckCrl", "rootCrl"], tees: ["sgx", "tdx"], parse: parseRevocationList},
  {name: "PEM", parts: ["tcbInfoChain", "amdChain"], tees: ["sgx", "tdx", "snp"], parse: parsePem},
  {name: "X.509", parts: ["certificate"], tees: ["sgx", "tdx", "snp", "nitro"], parse: parseCertificate},
  {name: "CBOR", parts: ["evidence"], tees: ["nitro"], parse: (bytes) => readCbor(bytes, "fuzz")},
  {
    name: "COSE and payload",
    parts: ["evidence"],
    tees: ["nitro"],
    parse: (bytes) => readDocument(readEnvelope(bytes).payload),
  },
  {name: "quote", parts: ["evidence"], tees: ["sgx"], parse: (bytes) => parseSgxQuote(bytes)},
  {name: "TDX quote", parts: ["evidence"], tees: ["tdx"], parse: (bytes) => parseTdxQuote(bytes)},
  {
    name: "inspection",
    parts: ["evidence"],
    tees: ["sgx", "tdx", "snp", "nitro"],
    parse: (bytes, tee) => inspectEvidence({tee, bytes}),
  },
];

/** Verifies `count` mutants of `seeds`: two of three through the verifier, the third through a parser alone. */
export async function fuzzAttestation(
  seeds: readonly Seed[],
  count: number,
  seed: number,
  progress: (done: number) => void = () => {},
): Promise<FuzzResult> {
  const random = randomFrom(seed);
  // Of all seeds together: what one of them has signed is as genuine where it takes another's place.
  const signed = new Set<string>();
  for (const item of seeds) {
    const {verdict, code} = await verifySeed(item, item.files);
    if (verdict !== "trusted") throw new Error(`${item.id} isn't genuine: ${code}`);
    for (const part of signedParts(item.tee, item.files)) signed.add(part);
  }
  const byTarget: Record<string, number> = {};
  const findings: string[] = [];
  const most = {ms: 0, allocated: 0, perByte: 0};
  let accepted = 0;
  for (let i = 0; i < count; i++) {
    const item = seeds[random(seeds.length)]!;
    const mutant = i % 3 === 2 ? parserMutant(item, random) : verifierMutant(item, random, seeds);
    byTarget[mutant.target] = (byTarget[mutant.target] ?? 0) + 1;
    const before = heapBytes();
    const start = performance.now();
    const outcome = await mutant.run();
    const ms = performance.now() - start;
    const allocated = heapBytes() - before;
    most.ms = Math.max(most.ms, ms);
    most.allocated = Math.max(most.allocated, allocated);
    if (mutant.size >= LARGE) most.perByte = Math.max(most.perByte, allocated / mutant.size);
    const told = `mutant ${i} of seed ${seed}, ${item.id}, ${mutant.target}`;
    if (ms > MAX_MS) findings.push(`${told}: took ${ms.toFixed(0)} ms`);
    if (allocated > allocationLimit.base + allocationLimit.factor * mutant.size) {
      findings.push(`${told}: allocated ${allocated} bytes for ${mutant.size}`);
    }
    if (outcome.problem !== null) findings.push(`${told}: ${outcome.problem}`);
    if (outcome.accepted) {
      accepted++;
      if (!signedParts(item.tee, mutant.files).every((part) => signed.has(part))) {
        findings.push(`${told}: accepted with other signed bytes`);
      }
    }
    if (i % 1000 === 999) progress(i + 1);
  }
  return {
    mutants: count,
    accepted,
    byTarget,
    slowestMs: most.ms,
    mostAllocated: most.allocated,
    mostAllocatedPerByte: most.perByte,
    findings,
  };
}

interface Mutant {
  readonly target: string;
  /** Of the input, whole. */
  readonly size: number;
  readonly files: Files;
  readonly run: () => Promise<{readonly accepted: boolean; readonly problem: string | null}>;
}

function verifierMutant(item: Seed, random: Random, seeds: readonly Seed[]): Mutant {
  const names = Object.keys(item.files).filter((name) => name !== "root");
  const name = names[random(names.length)]!;
  const other = seeds[random(seeds.length)]!;
  const others = [...Object.values(item.files), other.files[name] ?? other.files.evidence!];
  const files = {...item.files, [name]: damaged(item.files[name]!, random, others)};
  const run = async () => {
    try {
      const report = await verifySeed(item, files);
      const failed = report.steps.find(({status}) => status === "failed");
      const problem = report.code === "INTERNAL" ? `INTERNAL at ${failed?.id}: ${failed?.found}` : null;
      return {accepted: report.verdict === "trusted", problem};
    } catch (error) {
      return {accepted: false, problem: `verification threw ${String(error)}`};
    }
  };
  return {target: `${item.tee} ${name}`, size: sizeOf(files), files, run};
}

function parserMutant(item: Seed, random: Random): Mutant {
  const fitting = parsers.filter(({tees}) => tees.includes(item.tee));
  const {name, parts, parse} = fitting[random(fitting.length)]!;
  const whole = parts.flatMap((part) => (part === "certificate" ? certificatesOf(item) : (item.files[part] ?? [])));
  const bytes = damaged(whole[random(whole.length)] ?? item.files.evidence!, random, whole);
  const run = async () => {
    try {
      await parse(bytes, item.tee);
      return {accepted: false, problem: null};
    } catch (error) {
      const problem = error instanceof TfTrustedError ? null : `the parser threw ${String(error)}`;
      return {accepted: false, problem};
    }
  };
  return {target: name, size: Math.max(bytes.length, 1), files: item.files, run};
}

function verifySeed({tee, options}: Pick<Seed, "tee" | "options">, files: Files) {
  return verifyEvidence(evidenceOf(tee, files), options);
}

const sizeOf = (files: Files): number => Object.values(files).reduce((sum, {length}) => sum + length, 0);

function heapBytes(): number {
  const {used_heap_size, external_memory} = getHeapStatistics();
  return used_heap_size + external_memory;
}

const certificateCache = new WeakMap<Seed, readonly Uint8Array[]>();

function certificatesOf(item: Seed): readonly Uint8Array[] {
  const known = certificateCache.get(item);
  if (known) return known;
  const {files, tee} = item;
  const found = [...chainsOf(tee, files)].map(({encoding}) => encoding);
  certificateCache.set(item, found);
  return found;
}

/** Every certificate that takes part. */
function chainsOf(tee: Seed["tee"], files: Files) {
  const texts = ["tcbInfoChain", "qeIdentityChain", "pckChain", "vcek", "amdChain"].flatMap(
    (name) => files[name] ?? [],
  );
  if (tee === "sgx" || tee === "tdx") {
    const {certification} = quoteOf(tee, files.evidence!);
    if ("pem" in certification) texts.push(certification.pem);
  }
  const own = texts.flatMap(parseCertificates);
  if (tee !== "nitro") return own;
  const {certificate, cabundle} = readDocument(readEnvelope(files.evidence!).payload);
  return [certificate, ...cabundle].map(parseCertificate);
}

/** With whatever stands after it: the policies of some vectors allow that. */
function quoteOf(tee: "sgx" | "tdx", bytes: Uint8Array) {
  return tee === "sgx" ? parseSgxQuote(bytes, undefined, "allow") : parseTdxQuote(bytes, "allow");
}

/** Everything that some signature covers, as text, of accepted files: none of it may be new in an accepted mutant. */
function signedParts(tee: Seed["tee"], files: Files): readonly string[] {
  const signed: Uint8Array[] = chainsOf(tee, files).map(({toBeSigned}) => toBeSigned);
  if (tee === "sgx" || tee === "tdx") {
    const quote = quoteOf(tee, files.evidence!);
    // The key and the authentication data are signed by their digest in the QE's report.
    signed.push(quote.signedBytes, quote.qeReportBytes, quote.attestationKey, quote.qeAuthenticationData);
    signed.push(openTcbInfo(files.tcbInfo!).signedBytes, openQeIdentity(files.qeIdentity!).signedBytes);
    for (const name of ["pckCrl", "rootCrl"]) signed.push(parseRevocationList(files[name]!).toBeSigned);
  }
  if (tee === "snp") signed.push(files.evidence!.subarray(0, SIGNED_BYTES));
  if (tee === "nitro") signed.push(signedBytes(readEnvelope(files.evidence!)));
  return signed.map(encodeHex);
}
