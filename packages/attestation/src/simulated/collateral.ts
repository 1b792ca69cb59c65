/** The simulated provisioning service: signed TCB info and QE identity, CRLs, issuer chains, in Intel's formats. */
import {concatBytes, encodeHex, parseHex} from "@tf-trusted/core";
import type {CompleteSgxCollateral} from "../evidence/evidence.ts";
import {parseCertificate} from "../x509/certificate.ts";
import {encodePem} from "../x509/pem.ts";
import {encodeRevocationList} from "./certificates.ts";
import {type SimulatedHierarchy, simulatedNames} from "./hierarchy.ts";
import {type SigningKey, signRaw} from "./keys.ts";
import type {Period, SimulatedPlan} from "./plan.ts";

/** MRSIGNER of the simulated quoting enclave: the digest of these words. */
export const simulatedQe = {
  signerSeed: "TF Trusted simulated quoting enclave",
  isvProdId: 1,
  attributes: parseHex("1500000000000000e700000000000000"),
} as const;

export async function makeCollateral(
  hierarchy: SimulatedHierarchy,
  plan: SimulatedPlan,
  qeMrSigner: Uint8Array,
): Promise<CompleteSgxCollateral> {
  const {keys, certificates} = hierarchy;
  const signerChain = encodePem([certificates.tcbSigner, certificates.root]);
  const serialsOf = (...names: readonly SimulatedPlan["revoked"][number][]) =>
    names
      .filter((name) => plan.revoked.includes(name))
      .map((name) => parseHex(parseCertificate(certificates[name]).serial));
  const crl = (issuer: string, issuerKey: SigningKey, {from, until}: Period, revoked: readonly Uint8Array[]) =>
    encodeRevocationList({issuer, issuerKey, thisUpdate: from, nextUpdate: until, revoked});
  return {
    tcbInfo: await signedJson("tcbInfo", tcbInfo(plan), keys.tcbSigner),
    tcbInfoIssuerChain: signerChain,
    qeIdentity: await signedJson("enclaveIdentity", qeIdentity(plan, qeMrSigner), keys.tcbSigner),
    qeIdentityIssuerChain: signerChain,
    pckCrl: await crl(simulatedNames.authority, keys.authority, plan.pckCrlPeriod, serialsOf("pck")),
    pckCrlIssuerChain: encodePem([certificates.authority, certificates.root]),
    rootCrl: await crl(simulatedNames.root, keys.root, plan.rootCrlPeriod, serialsOf("authority", "tcbSigner")),
  };
}

/** `{"<name>":<text>,"signature":"…"}`, the signature over exactly this text. */
export async function signedJson(name: string, value: unknown, key: SigningKey): Promise<Uint8Array> {
  return sealJson(name, JSON.stringify(value), key);
}

/** Like {@link signedJson}, for a text as it is. */
export async function sealJson(name: string, text: string, key: SigningKey): Promise<Uint8Array> {
  const signed = new TextEncoder().encode(text);
  const signature = encodeHex(await signRaw(key, signed));
  const ascii = (part: string) => new TextEncoder().encode(part);
  return concatBytes(ascii(`{"${name}":`), signed, ascii(`,"signature":"${signature}"}`));
}

function tcbInfo(plan: SimulatedPlan): unknown {
  const isTdx = plan.tcbInfoId === "TDX";
  const level = (
    components: readonly number[],
    pcesvn: number,
    status: string,
    tcbDate: string,
    advisoryIDs: readonly string[],
  ) => ({
    tcb: {
      sgxtcbcomponents: components.map((svn) => ({svn})),
      pcesvn,
      ...(isTdx && {tdxtcbcomponents: plan.tdxComponents.map((svn) => ({svn: svn}))}),
    },
    tcbDate,
    tcbStatus: status,
    ...(advisoryIDs.length > 0 ? {advisoryIDs} : {}),
  });
  const {platformStatus, platformAdvisories} = plan;
  return {
    id: plan.tcbInfoId,
    version: 3,
    ...dates(plan.tcbInfoPeriod),
    fmspc: encodeHex(plan.tcbInfoFmspc).toUpperCase(),
    pceId: encodeHex(plan.tcbInfoPceId).toUpperCase(),
    tcbType: 0,
    tcbEvaluationDataNumber: plan.tcbEvaluationDataNumber,
    ...(isTdx && tdxModules(plan)),
    tcbLevels: [
      level(plan.levelComponents, plan.pceSvn, platformStatus, "2025-11-12T00:00:00Z", platformAdvisories),
      ...(plan.olderLevel
        ? [
            level(
              plan.components.map(() => 0),
              5,
              "OutOfDate",
              "2020-11-11T00:00:00Z",
              ["SIMULATED-SA-00000"],
            ),
          ]
        : []),
    ],
  };
}

/** The vendor's modules: one before versions were counted, and the simulated one. */
function tdxModules({tdxComponents, moduleStatus, moduleLevelSvn}: SimulatedPlan): object {
  const identity = {mrsigner: "00".repeat(48), attributes: "00".repeat(8), attributesMask: "FF".repeat(8)};
  const version = tdxComponents[1]!.toString(16).toUpperCase().padStart(2, "0");
  const tcbLevels = [{tcb: {isvsvn: moduleLevelSvn}, tcbDate: "2025-11-12T00:00:00Z", tcbStatus: moduleStatus}];
  return {tdxModule: identity, tdxModuleIdentities: [{id: `TDX_${version}`, ...identity, tcbLevels}]};
}

function qeIdentity(plan: SimulatedPlan, mrSigner: Uint8Array): unknown {
  return {
    id: plan.qeIdentityId,
    version: 2,
    ...dates(plan.qeIdentityPeriod),
    tcbEvaluationDataNumber: plan.qeIdentityEvaluationDataNumber,
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    // The mask leaves out MODE64BIT and everything that differs by processor.
    attributes: "11000000000000000000000000000000",
    attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
    mrsigner: encodeHex(mrSigner).toUpperCase(),
    isvprodid: simulatedQe.isvProdId,
    tcbLevels: [
      {
        tcb: {isvsvn: 8},
        tcbDate: "2025-11-12T00:00:00Z",
        tcbStatus: plan.qeStatus,
        ...(plan.qeAdvisories.length > 0 ? {advisoryIDs: plan.qeAdvisories} : {}),
      },
      {tcb: {isvsvn: 6}, tcbDate: "2021-11-10T00:00:00Z", tcbStatus: "OutOfDate"},
    ],
  };
}

function dates({from, until}: Period): {readonly issueDate: string; readonly nextUpdate: string} {
  const seconds = (time: Date) => time.toISOString().replace(/\.\d+Z$/, "Z");
  return {issueDate: seconds(from), nextUpdate: seconds(until)};
}
