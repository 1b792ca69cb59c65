/** The simulated platform of `serve`, kept in a folder so that policies that name its root outlive a restart. */
import {mkdir} from "node:fs/promises";
import {join} from "node:path";
import {
  createSimulatedPlatform,
  type PolicyInput,
  restoreSimulatedPlatform,
  type SimulatedPlatform,
} from "@tf-trusted/attestation";
import {CliError} from "./cli-error.ts";
import {readTextFile, reasonOf, writeOutputFile} from "./files.ts";

const stateFile = "simulated-platform.json";

/** The platform of a folder, made on first use; a new one each time without a folder. Throws `SIMULATION_STATE`. */
export async function openSimulatedPlatform(folder: string | undefined): Promise<SimulatedPlatform> {
  const options = {now: () => new Date()};
  if (folder === undefined) return createSimulatedPlatform(options);
  const existing = await readState(folder);
  if (existing !== undefined) return restoreSimulatedPlatform(existing, options);
  const platform = await createSimulatedPlatform(options);
  await makePrivateFolder(folder);
  await writeOutputFile(join(folder, stateFile), `${JSON.stringify(await platform.state())}\n`, 0o600);
  return platform;
}

/** The root that a folder's platform has, for policies. Throws `CLI_FILE_READ` where there is none yet. */
export async function rootOfState(folder: string): Promise<string> {
  const state = JSON.parse(await readTextFile(join(folder, stateFile))) as unknown;
  return (await restoreSimulatedPlatform(state, {now: () => new Date()})).rootSpkiSha256;
}

/** Exactly this enclave on exactly this simulated machine. */
export function simulatedPolicy(rootSpkiSha256: string, measurements: readonly string[]): PolicyInput {
  return {
    version: 1,
    identities: [
      {tee: "sgx", name: "simulated enclave", root: {simulated: rootSpkiSha256}, mrEnclave: [...measurements]},
    ],
  };
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
    // restoreSimulatedPlatform refuses it with the right code.
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
