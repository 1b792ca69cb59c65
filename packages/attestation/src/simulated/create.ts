/** Simulated machines by kind of TEE: made anew, or from what was kept. */
import type {SimulatedMachine} from "./machine.ts";
import type {SimulatedTee} from "./plan.ts";
import {createSimulatedPlatform, createSimulatedTdxPlatform, restoreIntelPlatform} from "./platform.ts";
import {createSimulatedSnpPlatform, restoreSimulatedSnpPlatform, SNP_STATE_FORMAT} from "./snp.ts";

export interface SimulatedMachineOptions {
  /** The clock from which all dates are taken. */
  readonly now: () => Date;
}

const makers: Readonly<Record<SimulatedTee, (options: SimulatedMachineOptions) => Promise<SimulatedMachine>>> = {
  sgx: createSimulatedPlatform,
  tdx: createSimulatedTdxPlatform,
  snp: createSimulatedSnpPlatform,
};

export const simulatedTees = Object.keys(makers) as readonly SimulatedTee[];

/** A new machine of that kind, with a new root. */
export function createSimulatedMachine(tee: SimulatedTee, options: SimulatedMachineOptions): Promise<SimulatedMachine> {
  return makers[tee](options);
}

/** The machine, of whichever kind, whose `state()` was kept. Throws `SIMULATION_STATE`. */
export function restoreSimulatedMachine(state: unknown, options: SimulatedMachineOptions): Promise<SimulatedMachine> {
  const format: unknown = (state as {readonly format?: unknown} | null | undefined)?.format;
  const restore = format === SNP_STATE_FORMAT ? restoreSimulatedSnpPlatform : restoreIntelPlatform;
  return restore(state, options);
}
