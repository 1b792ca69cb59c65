/**
 * Forged evidence: everything of a healthy simulated platform, with one thing wrong. What can't be had by the simulated
 * platform's own plan (it only makes what real services could make) is put together here.
 */
import {concatBytes, encodeHex, parseHex, sha256} from "@tf-trusted/core";
import {
  type EnclaveReport,
  enclaveReport,
  INTEL_QE_VENDOR_ID,
  type QuoteHeader,
  quoteHeader,
} from "../evidence/dcap/layout.ts";
import {SGX_EXTENSION} from "../evidence/dcap/pck-extension.ts";
import type {DcapEvidence, SgxCollateral} from "../evidence/evidence.ts";
import {parsePolicy} from "../policy/parse.ts";
import type {PolicyInput} from "../policy/schema.ts";
import {type CertificateRequest, encodeCertificate, encodePckExtension} from "../simulated/certificates.ts";
import {makeCollateral, simulatedQe} from "../simulated/collateral.ts";
import {makeHierarchy, type SimulatedHierarchy, simulatedNames} from "../simulated/hierarchy.ts";
import {coordinates, generateSigningKey, type SigningKey, signRaw} from "../simulated/keys.ts";
import {healthyPlan, type SimulatedPlan} from "../simulated/plan.ts";
import {blankReport, enclaveAttributes, encodeQuote, type QuoteParts} from "../simulated/quote.ts";
import type {VerifyOptions} from "../verify.ts";
import {encodePem} from "../x509/pem.ts";

/** The moment of all forged evidence. */
export const forgeTime = new Date("2026-03-01T00:00:00Z");

export interface World extends SimulatedHierarchy {
  readonly plan: SimulatedPlan;
  readonly qeMrSigner: Uint8Array;
  /** A key that nobody vouches for. */
  readonly stranger: SigningKey;
}

export async function makeWorld(overrides: Partial<SimulatedPlan> = {}): Promise<World> {
  const plan = {...healthyPlan(forgeTime), ...overrides};
  const qeMrSigner = await sha256(new TextEncoder().encode(simulatedQe.signerSeed));
  return {...(await makeHierarchy(plan)), plan, qeMrSigner, stranger: await generateSigningKey()};
}

/** What to do otherwise than a healthy platform. */
export interface Changes {
  readonly header?: Partial<QuoteHeader>;
  readonly report?: Partial<EnclaveReport>;
  readonly qeReport?: Partial<EnclaveReport>;
  readonly parts?: Partial<QuoteParts>;
  /** Whose key signs the quote, and whose the QE report. */
  readonly attestationKey?: SigningKey;
  readonly pckKey?: SigningKey;
  /** DER of the PCK chain inside the quote. */
  readonly pckChain?: readonly Uint8Array[];
  readonly quote?: (quote: Uint8Array) => Uint8Array;
  readonly collateral?: SgxCollateral;
  readonly without?: readonly (keyof SgxCollateral)[];
  readonly plan?: Partial<SimulatedPlan>;
  readonly identity?: Partial<Extract<PolicyInput["identities"][number], {tee: "sgx"}>>;
  readonly rootPin?: string;
  readonly options?: Partial<VerifyOptions>;
}

export interface ForgedCase {
  readonly evidence: DcapEvidence;
  readonly options: VerifyOptions;
}

export const forgedReportData = Uint8Array.from({length: 64}, (_, i) => i);
export const forgedMrEnclave = "a1".repeat(32);
export const forgedMrSigner = "b2".repeat(32);

export async function forge(world: World, changes: Changes = {}): Promise<ForgedCase> {
  const plan = {...world.plan, ...changes.plan};
  const quote = await forgeQuote(world, changes);
  const healthy = await makeCollateral(world, plan, world.qeMrSigner);
  const merged = {...healthy, ...changes.collateral};
  const collateral = Object.fromEntries(
    Object.entries(merged).filter(([name]) => !changes.without?.includes(name as keyof SgxCollateral)),
  ) as SgxCollateral;
  const rootPin = changes.rootPin ?? encodeHex(await sha256(world.keys.root.publicKey.spki));
  const policy = parsePolicy({
    version: 1,
    identities: [{tee: "sgx", root: {simulated: rootPin}, mrEnclave: [forgedMrEnclave], ...changes.identity}],
  });
  return {
    evidence: {kind: "sgx-quote-v3", quote: changes.quote?.(quote) ?? quote, collateral},
    options: {policy, now: forgeTime, expectedReportData: forgedReportData, ...changes.options},
  };
}

async function forgeQuote(world: World, changes: Changes): Promise<Uint8Array> {
  const {keys, certificates, plan} = world;
  const signed = concatBytes(
    quoteHeader.encode({
      version: 3,
      attestationKeyType: 2,
      teeType: 0,
      qeSvn: 8,
      pceSvn: plan.pceSvn,
      qeVendorId: parseHex(INTEL_QE_VENDOR_ID),
      userData: new Uint8Array(20),
      ...changes.header,
    }),
    enclaveReport.encode({
      ...blankReport,
      attributes: enclaveAttributes,
      mrEnclave: parseHex(forgedMrEnclave),
      mrSigner: parseHex(forgedMrSigner),
      isvProdId: 7,
      isvSvn: 3,
      reportData: forgedReportData,
      ...changes.report,
    }),
  );
  const attestation = changes.attestationKey ?? keys.attestation;
  const authenticationData = parseHex("000102");
  const attestationKey = coordinates(keys.attestation);
  const qeReport = enclaveReport.encode({
    ...blankReport,
    attributes: simulatedQe.attributes,
    mrSigner: world.qeMrSigner,
    isvProdId: simulatedQe.isvProdId,
    isvSvn: plan.qeIsvSvn,
    reportData: concatBytes(await sha256(concatBytes(attestationKey, authenticationData)), new Uint8Array(32)),
    ...changes.qeReport,
  });
  const chain = changes.pckChain ?? [certificates.pck, certificates.authority, certificates.root];
  return encodeQuote(signed, {
    signature: await signRaw(attestation, signed),
    attestationKey,
    qeReport,
    qeReportSignature: await signRaw(changes.pckKey ?? keys.pck, qeReport),
    authenticationData,
    certificationDataType: 5,
    certificationData: encodePem(chain),
    ...changes.parts,
  });
}

/** A certificate of the world, with changes; signed by its usual issuer unless told otherwise. */
export async function forgeCertificate(
  world: World,
  name: keyof typeof simulatedNames,
  changes: Partial<CertificateRequest> = {},
): Promise<Uint8Array> {
  const {keys, plan} = world;
  const byRoot = {issuer: simulatedNames.root, issuerKey: keys.root};
  const extension = encodePckExtension({
    ppid: new Uint8Array(16),
    platformInstanceId: new Uint8Array(16),
    components: plan.components,
    pceSvn: plan.pceSvn,
    pceId: plan.pceId,
    fmspc: plan.fmspc,
  });
  const usual: Readonly<Record<keyof typeof simulatedNames, Omit<CertificateRequest, "subject" | "publicKey">>> = {
    root: {...byRoot, validity: plan.rootValidity, pathLength: 1},
    authority: {...byRoot, validity: plan.authorityValidity, pathLength: 0},
    pck: {
      issuer: simulatedNames.authority,
      issuerKey: keys.authority,
      validity: plan.pckValidity,
      extensions: [[SGX_EXTENSION, extension, false]],
    },
    tcbSigner: {...byRoot, validity: plan.tcbSignerValidity},
  };
  return encodeCertificate({
    ...usual[name],
    subject: simulatedNames[name],
    publicKey: keys[name].publicKey,
    ...changes,
  });
}
