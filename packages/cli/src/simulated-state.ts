/** The simulated platform of `serve`, kept in a folder so that policies that name its root outlive a restart. */
import {mkdir} from "node:fs/promises";
import {join} from "node:path";
import {
  createSimulatedMachine,
  restoreSimulatedMachine,
  type SimulatedMachine,
  type SimulatedTee,
} from "@tf-trusted/attestation";
import {CliError} from "./cli-error.ts";
import {readTextFile, reasonOf, writeOutputFile} from "./files.ts";

const stateFile = "simulated-platform.json";

/**
 * The machine of a folder, made on first use, of SGX unless told otherwise; a new one each time without a folder. Throws
 * `SIMULATION_STATE`, and `CLI_USAGE` where the folder's is of another kind than the one asked for.
 */
export async function openSimulatedMachine(
  folder: string | undefined,
  tee: SimulatedTee | undefined,
): Promise<SimulatedMachine> {
  const options = {now: () => new Date()};
  if (folder === undefined) return createSimulatedMachine(tee ?? "sgx", options);
  const existing = await readState(folder);
  if (existing !== undefined) {
    const machine = await restoreSimulatedMachine(existing, options);
    if (tee === undefined || tee === machine.tee) return machine;
    throw new CliError("CLI_USAGE", `--tee ${tee}: ${folder} keeps a ${machine.tee} machine; name another --state DIR`);
  }
  const machine = await createSimulatedMachine(tee ?? "sgx", options);
  await makePrivateFolder(folder);
  await writeOutputFile(join(folder, stateFile), `${JSON.stringify(await machine.state())}\n`, 0o600);
  return machine;
}

/** The machine that a folder has, for policies. Throws `CLI_FILE_READ` where there is none yet. */
export async function machineOfState(folder: string): Promise<SimulatedMachine> {
  const state = JSON.parse(await readTextFile(join(folder, stateFile))) as unknown;
  return restoreSimulatedMachine(state, {now: () => new Date()});
}

/** `undefined` where there is no state yet; anything else that is wrong is told. */
async function readState(folder: string): Promise<unknown> {
  const path = join(folder, stateFile);
  let text: string;
  try {
    text = await readTextFile(path);
  } catch (error) {
    const cause = error instanceof CliError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
    if (cause?.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    // restoreSimulatedMachine refuses it with the right code.
    return null;
  }
}

/** Whoever reads the keys can play the platform. A folder that is there already keeps its mode; the file has its own. */
async function makePrivateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, {recursive: true, mode: 0o700});
  } catch (error) {
    throw new CliError("CLI_FILE_WRITE", `${folder}: ${reasonOf(error)}`, {cause: error});
  }
}
