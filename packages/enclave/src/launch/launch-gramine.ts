/**
 * Starts an enclave under Gramine: `gramine-sgx` beside the signed manifest that deploy/gramine/build.mjs and
 * `gramine-sgx-sign` made. Everything that decides is in the manifest and measured; what this does on the untrusted host is
 * to look whether the manifest protects, to start it, and to tell what the enclave says.
 */
import {spawn} from "node:child_process";
import {readFile} from "node:fs/promises";
import {basename, dirname} from "node:path";
import {EnclaveError} from "../enclave-error.ts";
import type {EnclaveEvent} from "../events.ts";
import {checkGramineManifest, parseGramineManifest} from "../measure/gramine-manifest.ts";
import type {EnclaveExit} from "./enclave-process.ts";
import {followEvents} from "./follow-events.ts";
import {startRefused} from "./start-refused.ts";

export interface GramineLaunchOptions {
  /** Path of `NAME.manifest.sgx`; its folder holds the files that it lists. */
  readonly manifest: string;
  /** Path or name of Gramine's loader; default: `gramine-sgx`, found on the PATH. */
  readonly runner?: string;
  readonly onEvent?: (event: EnclaveEvent) => void;
  /** Called when it ends without being asked to. It isn't started again. */
  readonly onExit?: (exit: EnclaveExit) => void;
}

export interface GramineEnclave {
  readonly port: number;
  readonly engine: string;
  /** MRENCLAVE as its own quote says, hexadecimal. */
  readonly measurement: string;
  readonly pid: number;
  /** SIGTERM, and SIGKILL after ten seconds. Idempotent. */
  stop(): Promise<void>;
}

const suffix = ".manifest.sgx";
/** A large enclave without EDMM has all its pages hashed by the CPU. */
const readyWithinMs = 180_000;
const stopWithinMs = 10_000;

/**
 * Checks the manifest, starts, and waits until the enclave listens. Throws `GRAMINE_MANIFEST`, `GRAMINE_UNSAFE`,
 * `PLATFORM_MISSING` where Gramine isn't installed, the code with which the enclave refused to start, and `LAUNCH_FAILED`.
 */
export async function launchGramine(options: GramineLaunchOptions): Promise<GramineEnclave> {
  const {manifest, runner = "gramine-sgx", onEvent, onExit} = options;
  await checkFile(manifest);
  const name = basename(manifest).slice(0, -suffix.length);
  // The PATH, for Gramine's own scripts; the manifest says that nothing of it reaches the enclave.
  const child = spawn(runner, [name], {
    cwd: dirname(manifest),
    env: {PATH: process.env.PATH ?? ""},
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stopping = false;
  let ready = false;
  const exited = new Promise<EnclaveExit>((resolve) => {
    child.once("exit", (code, killer) => resolve({code, signal: killer}));
    child.once("error", () => resolve({code: null, signal: null}));
  });
  const killChild = (): void => void child.kill("SIGKILL");
  process.once("exit", killChild);
  void exited.then((exit) => {
    process.off("exit", killChild);
    if (ready && !stopping) onExit?.(exit);
  });

  let timer: NodeJS.Timeout | undefined;
  const started = await new Promise<Extract<EnclaveEvent, {event: "started"}>>((resolve, reject) => {
    const fail = (error: Error) => {
      reject(error);
      killChild();
    };
    const lastWords = followEvents(child, (event) => {
      onEvent?.(event);
      if (event.event === "started") resolve(event);
      if (event.event === "start-refused") fail(startRefused(event.code, event.message));
    });
    child.once("error", (cause: NodeJS.ErrnoException) => fail(missing(runner, cause)));
    void exited.then(({code, signal: killer}) =>
      fail(
        new EnclaveError("LAUNCH_FAILED", `${runner} ended with ${killer ?? code}${lastWords()}; expected it to run`),
      ),
    );
    timer = setTimeout(
      () => fail(new EnclaveError("LAUNCH_FAILED", `${runner}: nothing came within ${readyWithinMs} ms${lastWords()}`)),
      readyWithinMs,
    );
  }).finally(() => clearTimeout(timer));
  ready = true;

  return {
    port: started.port,
    engine: started.engine,
    measurement: started.measurement,
    pid: child.pid!,
    stop: async () => {
      stopping = true;
      child.kill("SIGTERM");
      const kill = setTimeout(killChild, stopWithinMs);
      await exited;
      clearTimeout(kill);
    },
  };
}

async function checkFile(path: string): Promise<void> {
  if (!path.endsWith(suffix)) {
    throw new EnclaveError("GRAMINE_MANIFEST", `${path}: expected a file NAME${suffix}, as gramine-sgx-sign writes it`);
  }
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new EnclaveError("GRAMINE_MANIFEST", `${path} can't be read; deploy/gramine/build.mjs makes it`, {cause});
  }
  const findings = checkGramineManifest(parseGramineManifest(text));
  if (findings.length > 0) throw new EnclaveError("GRAMINE_UNSAFE", `${path}: ${findings.join("; ")}`);
}

function missing(runner: string, cause: NodeJS.ErrnoException): EnclaveError {
  return cause.code === "ENOENT"
    ? new EnclaveError(
        "PLATFORM_MISSING",
        `${runner} isn't on the PATH; expected Gramine to be installed (docs/gramine.md)`,
        {cause},
      )
    : new EnclaveError("LAUNCH_FAILED", `${runner} can't be run (${cause.code ?? cause.message})`, {cause});
}
