/**
 * A simulated Intel platform, for SGX or TDX: a machine's CPU, quoting enclave and Intel's provisioning service in one
 * object, in the real formats, so that everything else runs the same code as on hardware. It signs whatever measurement it
 * is told: it protects nothing, its root is its own, and a policy has to name that root.
 */
import {encodeHex, parseHex, sha256} from "@tf-trusted/core";
import {AttestationError} from "../attestation-error.ts";
import type {SgxCollateral, SgxQuoteV3Evidence, TdxQuoteEvidence} from "../evidence/evidence.ts";
import {makeCollateral, simulatedQe} from "./collateral.ts";
import {makeHierarchy, type SimulatedHierarchy, type SimulatedKeyName, simulatedKeyNames} from "./hierarchy.ts";
import {exportSigningKey, fromBase64, importSigningKey, toBase64} from "./keys.ts";
import {type SimulatedMachine, wideMeasurement} from "./machine.ts";
import {healthyPlan, type SimulatedFault, type SimulatedPlan, simulatedFaults} from "./plan.ts";
import {makeSgxQuote, makeTdxQuote, type SimulatedQuoteRequest, type SimulatedTdxRequest} from "./quote.ts";

export interface SimulatedPlatformOptions {
  /** The clock from which all dates are taken. */
  readonly now: () => Date;
  readonly faults?: readonly SimulatedFault[];
  /** Finer than faults, for tests. */
  readonly overrides?: Partial<SimulatedPlan>;
}

/** What both kinds have in common. */
interface IntelMachine extends SimulatedMachine {
  /** Fresh collateral, issued an hour ago and valid for 30 days. */
  readonly collateral: () => Promise<SgxCollateral>;
  readonly state: () => Promise<SimulatedPlatformState>;
}

export interface SimulatedPlatform extends IntelMachine {
  readonly tee: "sgx";
  /** A quote of version 3. Throws `LAYOUT_INVALID` for wrong lengths. */
  readonly quote: (request: SimulatedQuoteRequest) => Promise<Uint8Array>;
  /** Quote and collateral. */
  readonly evidence: (request: SimulatedQuoteRequest) => Promise<SgxQuoteV3Evidence>;
}

export interface SimulatedTdxPlatform extends IntelMachine {
  readonly tee: "tdx";
  /** A quote of version 4. Throws `LAYOUT_INVALID` for wrong lengths. */
  readonly quote: (request: SimulatedTdxRequest) => Promise<Uint8Array>;
  /** Quote and collateral. */
  readonly evidence: (request: SimulatedTdxRequest) => Promise<TdxQuoteEvidence>;
}

/** Plain JSON. */
export interface SimulatedPlatformState {
  readonly format: "tf-trusted/simulated-platform/1";
  /** Default: SGX. */
  readonly tee?: "sgx" | "tdx";
  readonly keys: Readonly<Record<SimulatedKeyName, {readonly pkcs8: string; readonly spki: string}>>;
  /** DER in base64. */
  readonly certificates: Readonly<Record<keyof SimulatedHierarchy["certificates"], string>>;
}

const STATE_FORMAT = "tf-trusted/simulated-platform/1";

/** Of the simulated enclaves' signer: nobody's key, since a simulation verifies no signature at launch. */
const signerSeed = "tf-trusted/simulated-signer/1";
const product = {isvProdId: 1, isvSvn: 1} as const;

/** A new SGX platform with a new root. */
export async function createSimulatedPlatform(options: SimulatedPlatformOptions): Promise<SimulatedPlatform> {
  return sgxPlatform(await makeHierarchy(planOf(options, "sgx")), options);
}

/** A new TDX platform with a new root. */
export async function createSimulatedTdxPlatform(options: SimulatedPlatformOptions): Promise<SimulatedTdxPlatform> {
  return tdxPlatform(await makeHierarchy(planOf(options, "tdx")), options);
}

/** The SGX platform whose `state()` was kept. Throws `SIMULATION_STATE`. */
export async function restoreSimulatedPlatform(
  state: unknown,
  options: SimulatedPlatformOptions,
): Promise<SimulatedPlatform> {
  const platform = await restoreIntelPlatform(state, options);
  if (platform.tee === "sgx") return platform;
  throw new AttestationError("SIMULATION_STATE", `found a state of a ${platform.tee} platform, expected one of SGX`);
}

/** The platform, of either kind, whose `state()` was kept. Throws `SIMULATION_STATE`. */
export async function restoreIntelPlatform(
  state: unknown,
  options: SimulatedPlatformOptions,
): Promise<SimulatedPlatform | SimulatedTdxPlatform> {
  try {
    const {format, tee = "sgx", keys, certificates} = state as SimulatedPlatformState;
    if (format !== STATE_FORMAT) throw new TypeError(`format ${JSON.stringify(format)}`);
    const imported = await Promise.all(
      simulatedKeyNames.map(async (name) => [name, await importSigningKey(keys[name])] as const),
    );
    const {root, authority, pck, tcbSigner} = certificates;
    const hierarchy: SimulatedHierarchy = {
      keys: Object.fromEntries(imported) as SimulatedHierarchy["keys"],
      certificates: {
        root: fromBase64(root),
        authority: fromBase64(authority),
        pck: fromBase64(pck),
        tcbSigner: fromBase64(tcbSigner),
      },
    };
    return await (tee === "tdx" ? tdxPlatform(hierarchy, options) : sgxPlatform(hierarchy, options));
  } catch (cause) {
    throw new AttestationError(
      "SIMULATION_STATE",
      `found a state that can't be read (${String(cause)}), expected ${STATE_FORMAT}`,
      {cause},
    );
  }
}

function planOf({now, faults = [], overrides = {}}: SimulatedPlatformOptions, tee: "sgx" | "tdx"): SimulatedPlan {
  const at = now();
  const healthy = healthyPlan(at, tee);
  return Object.assign({...healthy}, ...faults.map((fault) => simulatedFaults[fault](healthy, at)), overrides);
}

async function sgxPlatform(
  hierarchy: SimulatedHierarchy,
  options: SimulatedPlatformOptions,
): Promise<SimulatedPlatform> {
  const base = await intelMachine(hierarchy, options, "sgx");
  const mrSigner = await sha256(new TextEncoder().encode(signerSeed));
  const quote = (request: SimulatedQuoteRequest) =>
    makeSgxQuote(hierarchy, planOf(options, "sgx"), base.qeMrSigner, request);
  const evidence = async (request: SimulatedQuoteRequest): Promise<SgxQuoteV3Evidence> => ({
    kind: "sgx-quote-v3",
    quote: await quote(request),
    collateral: await base.machine.collateral(),
  });
  return {
    ...base.machine,
    tee: "sgx",
    quote,
    evidence,
    attest: ({measurement, ...rest}) => evidence({mrEnclave: measurement, mrSigner, ...product, ...rest}),
    identity: async (measurements) => ({
      tee: "sgx",
      name: "simulated enclave",
      root: {simulated: base.machine.rootSpkiSha256},
      mrEnclave: [...measurements],
    }),
  };
}

async function tdxPlatform(
  hierarchy: SimulatedHierarchy,
  options: SimulatedPlatformOptions,
): Promise<SimulatedTdxPlatform> {
  const base = await intelMachine(hierarchy, options, "tdx");
  const quote = (request: SimulatedTdxRequest) =>
    makeTdxQuote(hierarchy, planOf(options, "tdx"), base.qeMrSigner, request);
  const evidence = async (request: SimulatedTdxRequest): Promise<TdxQuoteEvidence> => ({
    kind: "tdx-quote",
    quote: await quote(request),
    collateral: await base.machine.collateral(),
  });
  return {
    ...base.machine,
    tee: "tdx",
    quote,
    evidence,
    attest: async ({measurement, ...rest}) => evidence({mrTd: await wideMeasurement(measurement), ...rest}),
    identity: async (measurements) => ({
      tee: "tdx",
      name: "simulated trust domain",
      root: {simulated: base.machine.rootSpkiSha256},
      mrTd: await Promise.all(measurements.map(async (each) => encodeHex(await wideMeasurement(parseHex(each))))),
    }),
  };
}

async function intelMachine(
  hierarchy: SimulatedHierarchy,
  options: SimulatedPlatformOptions,
  tee: "sgx" | "tdx",
): Promise<{
  readonly machine: Pick<IntelMachine, "rootCertificate" | "rootSpkiSha256" | "collateral" | "state">;
  readonly qeMrSigner: Uint8Array;
}> {
  const {keys, certificates} = hierarchy;
  const qeMrSigner = await sha256(new TextEncoder().encode(simulatedQe.signerSeed));
  const state = async (): Promise<SimulatedPlatformState> => {
    const exported = await Promise.all(
      simulatedKeyNames.map(async (name) => [name, await exportSigningKey(keys[name])] as const),
    );
    return {
      format: STATE_FORMAT,
      tee,
      keys: Object.fromEntries(exported) as SimulatedPlatformState["keys"],
      certificates: {
        root: toBase64(certificates.root),
        authority: toBase64(certificates.authority),
        pck: toBase64(certificates.pck),
        tcbSigner: toBase64(certificates.tcbSigner),
      },
    };
  };
  const machine = {
    rootCertificate: certificates.root,
    rootSpkiSha256: encodeHex(await sha256(keys.root.publicKey.spki)),
    collateral: () => makeCollateral(hierarchy, planOf(options, tee), qeMrSigner),
    state,
  };
  return {machine, qeMrSigner};
}
