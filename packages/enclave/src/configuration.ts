/**
 * The enclave's configuration: what it accepts and how much. It comes from the launcher, who is not trusted; its digest is
 * part of the claims, so that a policy can require the one it knows.
 */
import {createHash} from "node:crypto";
import {canonicalJson} from "@tf-trusted/core";
import {maxSessionMs} from "@tf-trusted/protocol";
import {EnclaveError} from "./enclave-error.ts";

export interface EnclaveConfiguration {
  /** Of one model file. */
  readonly maxModelBytes: number;
  /** Of all model files together, those being uploaded included. */
  readonly modelBudgetBytes: number;
  readonly maxModels: number;
  /** Of all model files and of what engine workers hold for them; idle models are unloaded to keep it. */
  readonly memoryBudgetBytes: number;
  /** Cores for computing; 0 for as many as the machine has. */
  readonly workers: number;
  /** Calls of one model that may wait for a worker. */
  readonly maxWaitingCalls: number;
  /** Of one request message. */
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  readonly maxStreamsPerConnection: number;
  /** A session ends by itself after this time; an hour at most. */
  readonly sessionMs: number;
  /** Until when a connection must have attested. */
  readonly attestWithinMs: number;
  readonly attestsPerConnection: number;
  readonly quotesPerSecond: number;
  /** How long one prediction may take, whatever its caller allows. */
  readonly maxDeadlineMs: number;
  /** Threads of each model, where the engine has threads. */
  readonly modelThreads: number;
  /** Rows up to which calls of a model are joined and run as one, where it is proven to treat rows apart; 1: never. */
  readonly maxBatch: number;
  /** Milliseconds that a call waits for others to be joined with, even where a worker is free. */
  readonly maxDelayMs: number;
}

export const defaultConfiguration: EnclaveConfiguration = {
  maxModelBytes: 512 * 2 ** 20,
  modelBudgetBytes: 2 ** 30,
  maxModels: 64,
  memoryBudgetBytes: 8 * 2 ** 30,
  workers: 0,
  maxWaitingCalls: 1024,
  maxMessageBytes: 256 * 2 ** 20,
  maxConnections: 256,
  maxStreamsPerConnection: 128,
  sessionMs: maxSessionMs,
  attestWithinMs: 10_000,
  attestsPerConnection: 4,
  quotesPerSecond: 50,
  maxDeadlineMs: 600_000,
  modelThreads: 1,
  maxBatch: 1,
  maxDelayMs: 0,
};

/** The most that a member may be, where that is less than 2^40. */
export const ceilings: Partial<Record<keyof EnclaveConfiguration, number>> = {
  sessionMs: maxSessionMs,
  workers: 1024,
  modelThreads: 64,
  maxBatch: 128,
  maxDelayMs: 10_000,
};
const floors: Partial<Record<keyof EnclaveConfiguration, number>> = {workers: 0, maxDelayMs: 0};

/** Fills in defaults. Throws `CONFIGURATION` for unknown members and for values that aren't whole numbers in their range. */
export function parseConfiguration(given: Readonly<Record<string, unknown>>): EnclaveConfiguration {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaultConfiguration, name)) throw new EnclaveError("CONFIGURATION", `${name} is not known`);
    const most = ceilings[name as keyof EnclaveConfiguration] ?? 2 ** 40;
    const least = floors[name as keyof EnclaveConfiguration] ?? 1;
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw new EnclaveError(
        "CONFIGURATION",
        `${name} is ${String(value)}, expected a whole number from ${least} to ${most}`,
      );
    }
  }
  return Object.freeze({...defaultConfiguration, ...given});
}

/** SHA-256 of the canonical JSON, hexadecimal: what the claims carry. */
export function configurationDigest(configuration: EnclaveConfiguration): string {
  return createHash("sha256")
    .update(canonicalJson({...configuration}))
    .digest("hex");
}
