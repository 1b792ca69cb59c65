/** One case of an index of attestation vectors in this package's words: evidence, policy, options; and what must come out. */
import {encodeHex, sha256} from "@tf-trusted/core";
import {readDocument, readEnvelope} from "../evidence/nitro/document.ts";
import {
  type AttestationCode,
  AttestationError,
  attestationCodes,
  type Evidence,
  type PolicyInput,
  parsePolicy,
  type Report,
  type VendorRoot,
  vendorRoots,
  verifyEvidence,
} from "../index.ts";
import {parseCertificates} from "../x509/certificate.ts";
import type {VectorCase} from "./corpus.ts";

export type VectorReader = (name: string) => Uint8Array<ArrayBuffer> | undefined;
type IdentityInput = PolicyInput["identities"][number];
type Wanted = Readonly<Record<string, unknown>>;

/** Verifies one case; `read` gives the bytes of its files. */
export async function verifyVector(vector: VectorCase, read: VectorReader): Promise<Report> {
  const evidence = evidenceOf(vector, read);
  const root = await rootOf(read("root") ?? new Uint8Array(0));
  const identity = identityOf(vector, read("evidence") ?? new Uint8Array(0), root);
  const {reportData, nonce} = vector.policy;
  return verifyEvidence(evidence, {
    policy: parsePolicy({version: 1, identities: [identity]}),
    now: new Date(vector.time),
    expectedReportData: typeof reportData === "string" ? fromHex(reportData) : null,
    ...(typeof nonce === "string" ? {expectedNonce: fromHex(nonce)} : {}),
  });
}

/** What is wrong with a report; empty where all is as the index says. */
export function vectorFlaws(report: Report, {expect}: VectorCase): readonly string[] {
  const flaws: string[] = [];
  const compare = (what: string, found: unknown, expected: unknown) => {
    const [a, b] = [found, expected].map((value) => JSON.stringify(value));
    if (a !== b) flaws.push(`${what}: found ${a}, expected ${b}`);
  };
  compare("verdict", report.verdict, expect.verdict === "accept" ? "trusted" : "refused");
  compare("tcbStatus", report.tcbStatus, expect.tcbStatus);
  if (expect.tcbStatus !== null && expect.advisories !== null) {
    compare("advisories", report.advisories, [...expect.advisories].sort());
  }
  if (expect.reason !== null && !reasonFits(report.code, expect.reason)) compare("code", report.code, expect.reason);
  const identity = report.identity as unknown as Readonly<Record<string, unknown>> | null;
  for (const [name, value] of Object.entries(expect.claims)) compare(name, identity?.[name], value);
  return flaws;
}

/** Our codes are one to one with the index's reasons or finer: `family` is the reason. */
export function reasonFits(code: AttestationCode | null, expected: string): boolean {
  if (code === null) return false;
  const {family}: {readonly family: string} = attestationCodes[code];
  return expected
    .split("|")
    .some((reason) => family === reason || (/^(EXPIRED|NOT_YET_VALID)$/.test(reason) && family.endsWith(`_${reason}`)));
}

function evidenceOf({tee}: VectorCase, read: VectorReader): Evidence {
  const bytes = read("evidence") ?? new Uint8Array(0);
  const some = (parts: Readonly<Record<string, Uint8Array | undefined>>) =>
    Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
  if (tee === "snp") {
    const snp = some({vcek: read("vcek"), amdChain: read("amdChain")});
    return {kind: "snp-report", report: bytes, collateral: snp};
  }
  if (tee === "nitro") return {kind: "nitro-document", document: bytes, collateral: {}};
  if (tee !== "sgx" && tee !== "tdx") throw new Error(`no evidence of the kind ${tee}`);
  const collateral = some({
    tcbInfo: read("tcbInfo"),
    tcbInfoIssuerChain: read("tcbInfoChain"),
    qeIdentity: read("qeIdentity"),
    qeIdentityIssuerChain: read("qeIdentityChain"),
    pckCrl: read("pckCrl"),
    pckCrlIssuerChain: read("pckCrlChain"),
    rootCrl: read("rootCrl"),
    pckChain: read("pckChain"),
  });
  return {kind: tee === "sgx" ? "sgx-quote" : "tdx-quote", quote: bytes, collateral} as Evidence;
}

async function rootOf(pem: Uint8Array): Promise<IdentityInput["root"]> {
  const [root] = parseCertificates(pem);
  const pin = root ? encodeHex(await sha256(root.publicKey.spki)) : "";
  const vendor = Object.entries(vendorRoots).find(([, {spkiSha256}]) => spkiSha256 === pin);
  return vendor ? (vendor[0] as keyof typeof vendorRoots) : {simulated: pin};
}

/**
 * The index's policy in ours. What it leaves open (any enclave) ours can't: the evidence's own values are named instead.
 * A listed `Revoked` is left out: our policies can't name it, which is the same refusal.
 */
function identityOf({tee, policy}: VectorCase, bytes: Uint8Array, root: IdentityInput["root"]): IdentityInput {
  const hexAt = (from: number, to: number) => encodeHex(bytes.subarray(from, to)).padEnd(2 * (to - from), "0");
  const given = (names: Readonly<Record<string, string>>): Wanted =>
    Object.fromEntries(
      Object.entries(names).flatMap(([theirs, ours]) => (policy[theirs] === undefined ? [] : [[ours, policy[theirs]]])),
    );
  const statuses = (policy.acceptTcbStatuses as readonly string[] | undefined)?.filter(
    (status) => status !== "Revoked",
  );
  const dcap = {
    acceptedTcbStatuses: statuses,
    ...given({minTcbEvaluationDataNumber: "minimumTcbEvaluationDataNumber", trailingBytes: "trailingBytes"}),
  };
  const common = {tee, root, allowDebug: policy.allowDebug === true};
  const forms: Readonly<Record<string, () => object>> = {
    sgx: () => {
      // Behind the header and, in version 5, the body's descriptor.
      const body = bytes[0] === 5 ? 54 : 48;
      return {
        ...dcap,
        acceptedTcbStatuses: statuses?.filter((status) => !status.startsWith("TD")),
        mrSigner: (policy.mrSigner as readonly string[] | undefined)?.[0] ?? hexAt(body + 128, body + 160),
        isvProdId: policy.isvProdId ?? (bytes[body + 256] ?? 0) + 256 * (bytes[body + 257] ?? 0),
        minimumIsvSvn: policy.minIsvSvn ?? 0,
        ...given({mrEnclave: "mrEnclave", allowTcbInfoV2: "allowTcbInfoV2"}),
      };
    },
    tdx: () => {
      const body = bytes[0] === 5 ? 54 : 48;
      return {
        ...dcap,
        mrTd: policy.mrTd ?? [hexAt(body + 136, body + 184)],
        ...given({rtmr0: "rtmr0", rtmr1: "rtmr1", rtmr2: "rtmr2", rtmr3: "rtmr3", mrServiceTd: "mrServiceTd"}),
      };
    },
    // What isn't named must still be something: any value of the first PCR of the document.
    nitro: () => ({pcrs: policy.pcrs ?? ownPcr(bytes)}),
    snp: () => ({
      // A policy that pairs a product with the root of another one isn't even read.
      product: (typeof root === "string" && (vendorRoots[root] as VendorRoot).product) || policy.product,
      measurement: policy.measurement ?? [hexAt(0x90, 0xc0)],
      maximumVmpl: policy.maxVmpl ?? 3,
      allowMigrationAgent: policy.allowMigrationAgent ?? true,
      ...given({minReportedTcb: "minimumReportedTcb"}),
    }),
  };
  return {...common, ...forms[tee]?.()} as IdentityInput;
}

/** Its first PCR, or zeros where the document can't be read. */
function ownPcr(bytes: Uint8Array): Wanted {
  try {
    const [[index, pcr]] = [...readDocument(readEnvelope(bytes).payload).pcrs] as [[number, Uint8Array]];
    return {[index]: [encodeHex(pcr)]};
  } catch (error) {
    if (error instanceof AttestationError) return {0: ["00".repeat(48)]};
    throw error;
  }
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
