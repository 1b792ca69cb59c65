/**
 * A simulated AMD machine: processor and key distribution service in one object, in the real formats. As the others, it
 * signs whatever it is told, under a root of its own: an ARK of RSA-4096, an ASK, and the VCEK of one chip.
 */
import {concatBytes, encodeHex, parseHex, sha256, sha512} from "@tf-trusted/core";
import {AttestationError} from "../attestation-error.ts";
import {derTag} from "../der/reader.ts";
import {derInteger, derValue} from "../der/writer.ts";
import type {SnpCollateral, SnpReportEvidence} from "../evidence/evidence.ts";
import {SIGNED_BYTES, type SnpReport, snpReportLayout} from "../evidence/snp/layout.ts";
import {parseCertificate} from "../x509/certificate.ts";
import {encodePem} from "../x509/pem.ts";
import {encodeCertificate, encodeRevocationList, type Validity} from "./certificates.ts";
import {
  exportSigningKey,
  fromBase64,
  generateSigningKey,
  importSigningKey,
  type SigningKey,
  signRaw,
  toBase64,
} from "./keys.ts";
import {type SimulatedMachine, wideMeasurement} from "./machine.ts";
import {type Period, periods, validities} from "./plan.ts";

/** Everything that a test may want otherwise. */
export interface SimulatedSnpPlan {
  /** Used when the certificates are made, once. */
  readonly rootValidity: Validity;
  readonly authorityValidity: Validity;
  readonly keyValidity: Validity;
  /** Used whenever collateral is made. */
  readonly crlPeriod: Period;
  readonly revoked: boolean;
  /** Used whenever a report is made: boot loader, TEE, SNP firmware, microcode. The VCEK is of {@link vcekTcb}. */
  readonly reportedTcb: Tcb;
  readonly masksChip: boolean;
  readonly migrationAgent: boolean;
  readonly vmpl: number;
}

type Tcb = readonly [bl: number, tee: number, snp: number, ucode: number];

/** Of the processor that the simulation plays, and of its firmware. */
const product = "Milan";
const productName = "Milan-B0";
const cpuid = parseHex("190101");
const vcekTcb: Tcb = [4, 0, 24, 219];

const names = {root: `ARK-${product}`, authority: `SEV-${product}`, vcek: "SEV-VCEK"} as const;
const ARC = "1.3.6.1.4.1.3704.1";

export interface SimulatedSnpOptions {
  /** The clock from which all dates are taken. */
  readonly now: () => Date;
  readonly faults?: readonly SimulatedSnpFault[];
  readonly overrides?: Partial<SimulatedSnpPlan>;
}

export interface SimulatedSnpRequest {
  /** 48 bytes. */
  readonly measurement: Uint8Array;
  /** 64 bytes. */
  readonly reportData: Uint8Array;
  readonly debug?: boolean;
}

export interface SimulatedSnpPlatform extends SimulatedMachine {
  readonly tee: "snp";
  /** A report of version 3. Throws `LAYOUT_INVALID` for wrong lengths. */
  readonly report: (request: SimulatedSnpRequest) => Promise<Uint8Array>;
  readonly collateral: () => Promise<Required<SnpCollateral>>;
  readonly evidence: (request: SimulatedSnpRequest) => Promise<SnpReportEvidence>;
  readonly state: () => Promise<SimulatedSnpState>;
}

const keyNames = ["root", "authority", "vcek"] as const;
type KeyName = (typeof keyNames)[number];

/** Plain JSON. */
export interface SimulatedSnpState {
  readonly format: "tf-trusted/simulated-snp/1";
  readonly keys: Readonly<Record<KeyName, {readonly pkcs8: string; readonly spki: string}>>;
  /** DER in base64. */
  readonly certificates: Readonly<Record<KeyName, string>>;
}

export const SNP_STATE_FORMAT = "tf-trusted/simulated-snp/1";

interface Chain {
  readonly keys: Readonly<Record<KeyName, SigningKey>>;
  readonly certificates: Readonly<Record<KeyName, Uint8Array>>;
  /** 64 bytes. */
  readonly chipId: Uint8Array;
}

function healthySnpPlan(now: Date): SimulatedSnpPlan {
  const {years} = validities(now);
  return {
    rootValidity: years(25),
    authorityValidity: years(25),
    keyValidity: years(7),
    crlPeriod: periods(now).current,
    revoked: false,
    reportedTcb: vcekTcb,
    masksChip: false,
    migrationAgent: false,
    vmpl: 0,
  };
}

/** Named faults, to see how a refusal looks; each is an edit of the plan. */
export const simulatedSnpFaults = {
  "authority-revoked": () => ({revoked: true}),
  "root-expired": (now) => ({rootValidity: validities(now).past}),
  "authority-expired": (now) => ({authorityValidity: validities(now).past}),
  "vcek-expired": (now) => ({keyValidity: validities(now).past}),
  "vcek-not-yet-valid": (now) => ({keyValidity: validities(now).future}),
  "crl-expired": (now) => ({crlPeriod: periods(now).past}),
  "crl-not-yet-valid": (now) => ({crlPeriod: periods(now).future}),
  "firmware-rolled-back": () => ({reportedTcb: [4, 0, 8, 115]}),
  "chip-masked": () => ({masksChip: true}),
  "migration-agent": () => ({migrationAgent: true}),
  "asked-by-host": () => ({vmpl: 0xffffffff}),
} as const satisfies Readonly<Record<string, (now: Date) => Partial<SimulatedSnpPlan>>>;

export type SimulatedSnpFault = keyof typeof simulatedSnpFaults;

/** A new machine with a new root. Two RSA keys of 4096 bits take seconds. */
export async function createSimulatedSnpPlatform(options: SimulatedSnpOptions): Promise<SimulatedSnpPlatform> {
  return snpPlatformWith(await makeSnpKeys(), options);
}

export type SnpKeys = Chain["keys"];

export async function makeSnpKeys(): Promise<SnpKeys> {
  const [root, authority, vcek] = await Promise.all([
    generateSigningKey("RSA-4096 PSS"),
    generateSigningKey("RSA-4096 PSS"),
    generateSigningKey("ECDSA P-384"),
  ]);
  return {root, authority, vcek};
}

/** A machine with new certificates for these keys. */
export async function snpPlatformWith(keys: SnpKeys, options: SimulatedSnpOptions): Promise<SimulatedSnpPlatform> {
  return machine(await makeChain(keys, planOf(options)), options);
}

/** The machine whose `state()` was kept. Throws `SIMULATION_STATE`. */
export async function restoreSimulatedSnpPlatform(
  state: unknown,
  options: SimulatedSnpOptions,
): Promise<SimulatedSnpPlatform> {
  try {
    const {format, keys, certificates} = state as SimulatedSnpState;
    if (format !== SNP_STATE_FORMAT) throw new TypeError(`format ${JSON.stringify(format)}`);
    const imported = await Promise.all(
      keyNames.map(async (name) => [name, await importSigningKey(keys[name])] as const),
    );
    const decoded = keyNames.map((name) => [name, fromBase64(certificates[name])] as const);
    const chain: Chain = {
      keys: Object.fromEntries(imported) as Chain["keys"],
      certificates: Object.fromEntries(decoded) as Chain["certificates"],
      chipId: await sha512(fromBase64(keys.vcek.spki)),
    };
    return await machine(chain, options);
  } catch (cause) {
    throw new AttestationError(
      "SIMULATION_STATE",
      `found a state that can't be read (${String(cause)}), expected ${SNP_STATE_FORMAT}`,
      {cause},
    );
  }
}

function planOf({now, faults = [], overrides = {}}: SimulatedSnpOptions): SimulatedSnpPlan {
  const at = now();
  return Object.assign(healthySnpPlan(at), ...faults.map((fault) => simulatedSnpFaults[fault](at)), overrides);
}

async function makeChain(keys: SnpKeys, plan: SimulatedSnpPlan): Promise<Chain> {
  const {root, authority, vcek} = keys;
  const chipId = await sha512(vcek.publicKey.spki);
  const byRoot = {issuer: names.root, issuerKey: root};
  const [bl, tee, snp, ucode] = vcekTcb;
  const extensions: Readonly<Record<string, Uint8Array>> = {
    "1": derInteger(0),
    "2": derValue(derTag.IA5_STRING, new TextEncoder().encode(productName)),
    "3.1": derInteger(bl),
    "3.2": derInteger(tee),
    "3.3": derInteger(snp),
    "3.8": derInteger(ucode),
    "4": chipId,
  };
  const certificates = {
    root: await encodeCertificate({
      ...byRoot,
      subject: names.root,
      publicKey: root.publicKey,
      validity: plan.rootValidity,
      pathLength: 1,
    }),
    authority: await encodeCertificate({
      ...byRoot,
      subject: names.authority,
      publicKey: authority.publicKey,
      validity: plan.authorityValidity,
      pathLength: 0,
    }),
    vcek: await encodeCertificate({
      subject: names.vcek,
      publicKey: vcek.publicKey,
      issuer: names.authority,
      issuerKey: authority,
      validity: plan.keyValidity,
      // As AMD's.
      serial: Uint8Array.of(0),
      extensions: Object.entries(extensions).map(([suffix, value]) => [`${ARC}.${suffix}`, value, false] as const),
    }),
  };
  return {keys, certificates, chipId};
}

async function machine(chain: Chain, options: SimulatedSnpOptions): Promise<SimulatedSnpPlatform> {
  const {keys, certificates} = chain;
  const rootSpkiSha256 = encodeHex(await sha256(keys.root.publicKey.spki));
  const collateral = () => makeSnpCollateral(chain, planOf(options));
  const report = (request: SimulatedSnpRequest) => makeReport(chain, planOf(options), request);
  const evidence = async (request: SimulatedSnpRequest): Promise<SnpReportEvidence> => ({
    kind: "snp-report",
    report: await report(request),
    collateral: await collateral(),
  });
  return {
    tee: "snp",
    rootCertificate: certificates.root,
    rootSpkiSha256,
    report,
    collateral,
    evidence,
    attest: async ({measurement, ...rest}) => evidence({measurement: await wideMeasurement(measurement), ...rest}),
    identity: async (measurements) => ({
      tee: "snp",
      name: "simulated SNP guest",
      root: {simulated: rootSpkiSha256},
      product,
      measurement: await Promise.all(
        measurements.map(async (each) => encodeHex(await wideMeasurement(parseHex(each)))),
      ),
      allowSmt: false,
    }),
    state: async () => {
      const exported = await Promise.all(
        keyNames.map(async (name) => [name, await exportSigningKey(keys[name])] as const),
      );
      const encoded = keyNames.map((name) => [name, toBase64(certificates[name])] as const);
      return {
        format: SNP_STATE_FORMAT,
        keys: Object.fromEntries(exported) as SimulatedSnpState["keys"],
        certificates: Object.fromEntries(encoded) as SimulatedSnpState["certificates"],
      };
    },
  };
}

async function makeSnpCollateral(
  {keys, certificates}: Chain,
  {crlPeriod: {from, until}, revoked}: SimulatedSnpPlan,
): Promise<Required<SnpCollateral>> {
  return {
    vcek: certificates.vcek,
    amdChain: encodePem([certificates.authority, certificates.root]),
    amdCrl: await encodeRevocationList({
      issuer: names.root,
      issuerKey: keys.root,
      thisUpdate: from,
      nextUpdate: until,
      revoked: revoked ? [parseHex(parseCertificate(certificates.authority).serial)] : [],
    }),
  };
}

async function makeReport(
  {keys, chipId}: Chain,
  plan: SimulatedSnpPlan,
  {measurement, reportData, debug = false}: SimulatedSnpRequest,
): Promise<Uint8Array> {
  const [bl, tee, snp, ucode] = plan.reportedTcb;
  const tcb = Uint8Array.of(bl, tee, 0, 0, 0, 0, snp, ucode);
  const zeros = (size: number) => new Uint8Array(size);
  const report: SnpReport = {
    version: 3,
    guestSvn: 0,
    // Bit 17 is always set; 18 a migration agent, 19 debug.
    policy: Uint8Array.of(0, 0, 2 | (plan.migrationAgent ? 4 : 0) | (debug ? 8 : 0), 0, 0, 0, 0, 0),
    familyId: zeros(16),
    imageId: zeros(16),
    vmpl: plan.vmpl,
    signatureAlgorithm: 1,
    currentTcb: tcb,
    platformInfo: zeros(8),
    flags: plan.masksChip ? 2 : 0,
    zero: zeros(4),
    reportData,
    measurement,
    hostData: zeros(32),
    idKeyDigest: zeros(48),
    authorKeyDigest: zeros(48),
    reportId: zeros(32),
    reportIdMa: zeros(32).fill(0xff),
    reportedTcb: tcb,
    cpuid,
    reserved1: zeros(21),
    chipId: plan.masksChip ? zeros(64) : chipId,
    committedTcb: tcb,
    currentVersion: zeros(3),
    reserved2: zeros(1),
    committedVersion: zeros(3),
    reserved3: zeros(1),
    launchTcb: tcb,
    launchMitigations: zeros(8),
    currentMitigations: zeros(8),
    reserved4: zeros(152),
    signatureR: zeros(72),
    signatureS: zeros(72),
    reserved5: zeros(368),
  };
  const raw = await signRaw(keys.vcek, snpReportLayout.encode(report).subarray(0, SIGNED_BYTES));
  // The report has its numbers the other way round, in 72 bytes each.
  const number = (at: number) => concatBytes(raw.slice(at, at + 48).reverse(), zeros(24));
  return snpReportLayout.encode({...report, signatureR: number(0), signatureS: number(48)});
}
