/**
 * What verification costs: `npm run bench:attestation [-- --rounds N] [-- --json]`. For one genuine piece of evidence of each TEE of the
 * corpus, by turns in one run: as a server does it (collateral in memory and met before), from nothing, and the bare
 * signature checks of the same verification by node:crypto, keys ready. Ends with 1 where a target is missed.
 */
import {constants, createPublicKey, type KeyObject, verify as nodeVerify} from "node:crypto";
import {bundleQuestion} from "../bundle/policy.ts";
import {type Evidence, evidenceOf, loadBundleFiles, parseBundle, type VerifyOptions, verifyEvidence} from "../index.ts";
import {forgetAll} from "../x509/memory.ts";
import {readVectorCases, vectorReader, vectorsFolder} from "./corpus.ts";

/** Milliseconds, p50, of the warm verification. */
const targets = {sgx: 3, tdx: 4, snp: 3, nitro: 9} as const;
/** Of the warm verification to all its signature checks by node:crypto. */
const TARGET_RATIO = 2;
const WARM_UP = 50;

type BenchTee = keyof typeof targets;

interface Subject {
  readonly tee: BenchTee;
  readonly id: string;
  readonly evidence: Evidence;
  readonly options: VerifyOptions;
}

/** One call of WebCrypto's verify, to be done again by node:crypto. */
interface SignatureCheck {
  readonly key: KeyObject;
  readonly hash: string;
  readonly isPss: boolean;
  readonly signature: Uint8Array;
  readonly data: Uint8Array;
}

interface Row {
  readonly tee: BenchTee;
  readonly id: string;
  readonly signatures: number;
  readonly warm: Percentiles;
  readonly first: Percentiles;
  readonly raw: Percentiles;
}

interface Percentiles {
  /** Processor time of all threads, mean: what other work on the machine disturbs least. */
  readonly cpu: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

if (!("path" in vectorsFolder)) {
  console.error(vectorsFolder.skip);
  process.exit(1);
}
const words = process.argv.slice(2);
const rounds = words.includes("--rounds") ? Number(words[words.indexOf("--rounds") + 1]) : 300;
const rows: Row[] = [];
for (const subject of await subjects(vectorsFolder.path)) rows.push(await measure(subject));

if (words.includes("--json")) console.log(JSON.stringify(rows, null, 2));
else {
  const heads = ["evidence", "signatures", "warm p50", "p90", "p99", "target", "from nothing p50", "node:crypto p50"];
  const more = ["warm / node:crypto", "the same, processor time", "from nothing / node:crypto"];
  console.log(`| ${[...heads, ...more].join(" | ")} |`);
  console.log(`|${"---|".repeat(heads.length + more.length)}`);
  for (const {tee, id, signatures, warm, first, raw} of rows) {
    const ms = [warm.p50, warm.p90, warm.p99, targets[tee], first.p50, raw.p50].map((value) => value.toFixed(2));
    const ratios = [warm.p50 / raw.p50, warm.cpu / raw.cpu, first.p50 / raw.p50].map((ratio) => ratio.toFixed(2));
    console.log(`| ${[`${tee} (${id})`, signatures, ...ms, ...ratios].join(" | ")} |`);
  }
}
const missed = rows.filter(({tee, warm, raw}) => warm.p50 >= targets[tee] || warm.p50 > TARGET_RATIO * raw.p50);
for (const {tee} of missed) console.error(`target missed: ${tee}`);
process.exitCode = missed.length > 0 ? 1 : 0;

/** A real one of each TEE that is accepted. */
async function subjects(folder: string): Promise<readonly Subject[]> {
  const cases = readVectorCases(folder);
  const read = vectorReader(folder);
  const found: Subject[] = [];
  for (const tee of Object.keys(targets) as BenchTee[]) {
    const vector = cases.find((item) => item.tee === tee && item.kind === "real" && item.expect.verdict === "accept");
    if (vector === undefined) throw new Error(`the corpus has no genuine ${tee} evidence`);
    const bundle = parseBundle(vector);
    const files = await loadBundleFiles(bundle, read);
    const {policy} = await bundleQuestion(bundle, files);
    const options = {policy, now: bundle.time, expectedReportData: null};
    found.push({tee, id: vector.id, evidence: evidenceOf(bundle.tee, files), options});
  }
  return found;
}

async function measure({tee, id, evidence, options}: Subject): Promise<Row> {
  const verify = async () => {
    const {verdict, code} = await verifyEvidence(evidence, options);
    if (verdict !== "trusted") throw new Error(`${id}: ${code}`);
  };
  const checks = await recordChecks(verify);
  const times = {warm: [] as Elapsed[], first: [] as Elapsed[], raw: [] as Elapsed[]};
  for (let i = -WARM_UP; i < rounds; i++) {
    // Until the compiler has seen it all, nothing counts.
    if (i === 0) for (const list of Object.values(times)) list.length = 0;
    forgetAll();
    times.first.push(await elapsed(verify));
    await verify();
    times.warm.push(await elapsed(verify));
    times.raw.push(await elapsed(() => checks.forEach(runCheck)));
  }
  const [warm, first, raw] = [times.warm, times.first, times.raw].map(percentiles) as [
    Percentiles,
    Percentiles,
    Percentiles,
  ];
  return {tee, id, signatures: checks.length, warm, first, raw};
}

interface Elapsed {
  readonly ms: number;
  readonly cpu: number;
}

async function elapsed(run: () => unknown): Promise<Elapsed> {
  const used = process.cpuUsage();
  const start = performance.now();
  await run();
  const ms = performance.now() - start;
  const {user, system} = process.cpuUsage(used);
  return {ms, cpu: (user + system) / 1000};
}

function percentiles(times: readonly Elapsed[]): Percentiles {
  const sorted = times.map(({ms}) => ms).toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const cpu = times.reduce((sum, time) => sum + time.cpu, 0) / times.length;
  return {p50: at(0.5), p90: at(0.9), p99: at(0.99), cpu};
}

/** The signature checks of one verification from nothing. */
async function recordChecks(verify: () => Promise<void>): Promise<readonly SignatureCheck[]> {
  const {subtle} = crypto;
  const keys = new Map<CryptoKey, Uint8Array>();
  const checks: SignatureCheck[] = [];
  const {importKey, verify: verifySignature} = subtle;
  const patched = {
    importKey: async (format: "spki", spki: Uint8Array<ArrayBuffer>, ...rest: readonly unknown[]) => {
      const key = await (importKey as (...all: readonly unknown[]) => Promise<CryptoKey>).call(
        subtle,
        format,
        spki,
        ...rest,
      );
      keys.set(key, spki);
      return key;
    },
    verify: async (
      algorithm: AlgorithmIdentifier,
      key: CryptoKey,
      signature: Uint8Array<ArrayBuffer>,
      data: Uint8Array<ArrayBuffer>,
    ) => {
      const isPss = key.algorithm.name === "RSA-PSS";
      const hash = isPss
        ? "sha384"
        : key.algorithm.name === "ECDSA" && (key.algorithm as EcKeyAlgorithm).namedCurve === "P-384"
          ? "sha384"
          : "sha256";
      const der = Buffer.from(keys.get(key)!);
      checks.push({key: createPublicKey({key: der, format: "der", type: "spki"}), hash, isPss, signature, data});
      return verifySignature.call(subtle, algorithm, key, signature, data);
    },
  };
  Object.assign(subtle, patched);
  forgetAll();
  await verify();
  Object.assign(subtle, {importKey, verify: verifySignature});
  return checks;
}

function runCheck({key, hash, isPss, signature, data}: SignatureCheck): void {
  const right = isPss
    ? nodeVerify(hash, data, {key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48}, signature)
    : nodeVerify(hash, data, {key, dsaEncoding: "ieee-p1363"}, signature);
  if (!right) throw new Error("node:crypto doesn't find the signature right");
}
