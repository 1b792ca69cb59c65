/** The enclave that a command talks to: a server that has to satisfy a policy, or a simulated one started for it. */
import {readdir, readFile} from "node:fs/promises";
import {type Policy, parsePolicy, type Report} from "@tf-trusted/attestation";
import type {CollateralSource, EnclaveConnection} from "@tf-trusted/client";
import type {EngineChoice} from "@tf-trusted/enclave";
import {type collateralFlags, collateralOf} from "./collateral-flags.ts";
import type {Context, FlagValues} from "./command.ts";
import {readTextFile} from "./files.ts";

export interface OpenedEnclave {
  readonly connection: EnclaveConnection;
  /** Resident memory of the enclave's process and its children in bytes; `undefined` where it is elsewhere, or the system doesn't tell. */
  readonly memoryBytes: () => Promise<number | undefined>;
  /** Ends the session, and the enclave if it was started for it. Idempotent. */
  readonly close: () => Promise<void>;
}

export interface SessionWishes {
  readonly server?: string | undefined;
  readonly policy?: string | undefined;
  /** Of an enclave that is started here. */
  readonly engine?: EngineChoice | undefined;
  readonly threads?: number | undefined;
}

/** Engine, threads and batches as a launch takes them. */
export function launchWishes(
  engine: EngineChoice = "auto",
  {threads, maxBatch, maxDelayMs}: {readonly [wish in "threads" | "maxBatch" | "maxDelayMs"]?: number | undefined} = {},
) {
  const configuration = {
    ...(threads !== undefined && {modelThreads: threads}),
    ...(maxBatch !== undefined && {maxBatch}),
    ...(maxDelayMs !== undefined && {maxDelayMs}),
  };
  return {engine, configuration};
}

/**
 * Connects and verifies. Throws `AttestationError` with the report, and what launching, connecting and reading the policy
 * throw.
 */
export async function openSession(
  args: SessionWishes & FlagValues<typeof collateralFlags>,
  {progress, signal}: Context,
): Promise<OpenedEnclave> {
  const {server, policy, engine, threads} = args;
  const collateral = await collateralOf(args);
  // Here and not above: commands that need no enclave start twice as fast without.
  const {connect, launchSimulated} = await import("@tf-trusted/client");
  if (server !== undefined && policy !== undefined) {
    const parsed = parsePolicy(await readTextFile(policy));
    progress.step(`Verifying ${server}`);
    const connection = await connect({address: server, policy: parsed, signal, ...(collateral && {collateral})});
    return {connection, memoryBytes: async () => undefined, close: () => connection.close()};
  }
  progress.step("Starting a simulated enclave");
  const enclave = await launchSimulated(launchWishes(engine, {threads}));
  try {
    signal.throwIfAborted();
    progress.step("Verifying the enclave");
    const {address, policy: pinned} = enclave;
    const connection = await connect({address, policy: pinned, signal});
    const close = async () => {
      try {
        await connection.close();
      } finally {
        await enclave.stop();
      }
    };
    return {connection, memoryBytes: () => residentBytes(enclave.process.pid), close};
  } catch (error) {
    await enclave.stop();
    throw error;
  }
}

/** Of a process and all that it started. Linux tells in /proc. */
async function residentBytes(pid: number): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  const own = new Map<number, number>();
  const children = new Map<number, number[]>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process may end while it is looked at; it has no memory then.
    const status = await readFile(`/proc/${name}/status`, "utf8").catch(() => "");
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    own.set(Number(name), Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024);
  }
  const sum = (each: number): number =>
    (children.get(each) ?? []).reduce((all, child) => all + sum(child), own.get(each) ?? 0);
  return own.has(pid) ? sum(pid) : undefined;
}

/** The report about a server, trusted or not. Throws `ClientError` where there is nothing to report about. */
export async function attestServer(
  address: string,
  policy: Policy,
  collateral: CollateralSource | undefined,
  signal: AbortSignal,
): Promise<Report> {
  const {AttestationError, connect} = await import("@tf-trusted/client");
  try {
    const connection = await connect({address, policy, signal, ...(collateral && {collateral})});
    await connection.close();
    return connection.report;
  } catch (error) {
    if (error instanceof AttestationError) return error.report;
    throw error;
  }
}
