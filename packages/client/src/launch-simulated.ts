/** A local simulated enclave with the exact policy for it: what `tf-trusted run` uses where no server is named. */
import {
  createSimulatedMachine,
  type Policy,
  type PolicyInput,
  parsePolicy,
  type SimulatedMachine,
  type SimulatedTee,
} from "@tf-trusted/attestation";
import {
  configurationDigest,
  type LaunchedEnclave,
  type LaunchOptions,
  launchEnclave,
  parseConfiguration,
} from "@tf-trusted/enclave";

export interface LaunchSimulatedOptions extends Omit<LaunchOptions, "platform"> {
  /** The simulated machine; default: a new one, with a new root. */
  readonly platform?: SimulatedMachine;
  /** The kind of a new machine; default: SGX. */
  readonly tee?: SimulatedTee;
}

export interface SimulatedEnclave {
  /** For `connect`. */
  readonly address: string;
  /** Accepts this root, the measurement that the build expects, and this configuration; nothing else. */
  readonly policy: Policy;
  /** The same as people write it. */
  readonly policyInput: PolicyInput;
  readonly platform: SimulatedMachine;
  readonly process: LaunchedEnclave;
  stop(): Promise<void>;
}

/**
 * Starts an enclave on this machine. The policy pins what the build expects, not what runs: an altered file is refused.
 * Throws as `launchEnclave`.
 *
 * ```ts
 * const {address, policy, stop} = await launchSimulated();
 * const enclave = await connect({address, policy});
 * ```
 */
export async function launchSimulated(options: LaunchSimulatedOptions = {}): Promise<SimulatedEnclave> {
  const platform = options.platform ?? (await createSimulatedMachine(options.tee ?? "sgx", {now: () => new Date()}));
  const launched = await launchEnclave({...options, platform});
  const identity = await platform.identity([launched.expectedMeasurement]);
  const configurationSha256 = configurationDigest(parseConfiguration({...options.configuration}));
  const policyInput: PolicyInput = {
    version: 1,
    identities: [{...identity, name: `${identity.name} on this machine`, requiredClaims: {configurationSha256}}],
  };
  return {
    address: launched.address,
    policy: parsePolicy(policyInput),
    policyInput,
    platform,
    process: launched,
    stop: () => launched.stop(),
  };
}
