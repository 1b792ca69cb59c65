/** Flags that `run` and `bench` share, and what they do with them. */
import {basename, extname} from "node:path";
import {oneOf, parseAddress, parseShapeRequest, parseTags, wholeNumber} from "../arguments.ts";
import type {Phase} from "../benchmark/write-traces.ts";
import {CliError} from "../cli-error.ts";
import {collateralFlags} from "../collateral-flags.ts";
import type {Flags, FlagValues} from "../command.ts";
import {readInputFile} from "../files.ts";
import type {ModelWishes} from "../model/open-model.ts";
import type {InputFile} from "../model/prepare-inputs.ts";

/** For whatever starts an enclave on this machine. */
export const engineFlags = {
  engine: {
    value: "auto|wasm|native",
    parse: oneOf("auto", "wasm", "native"),
    help: "what computes; auto: native where it is installed. The measurement says which",
    byDefault: "auto",
  },
} as const satisfies Flags;

export const threadsFlag = {
  threads: {value: "N", parse: wholeNumber(1, 64), help: "threads of a model, with the native engine", byDefault: "1"},
} as const satisfies Flags;

export const serverFlags = {
  server: {
    value: "HOST:PORT",
    parse: parseAddress,
    help: "an enclave that is running already",
    byDefault: "a simulated one, started for this command",
  },
  policy: {value: "FILE", help: "what the server's enclave has to satisfy; needed with --server"},
  ...collateralFlags,
  ...engineFlags,
  ...threadsFlag,
} as const satisfies Flags;

/** For whatever converts. */
export const keepStateFlag = {
  "keep-state": {help: "keep what a SavedModel writes into its variables for the next call, for each session apart"},
} as const satisfies Flags;

export const inputFlags = {
  "input-file": {
    value: "FILE",
    repeat: true,
    help: ".npy, once for each --input-name in the same order; or one .npz with the inputs' names",
  },
  "input-name": {
    value: "NAME",
    repeat: true,
    help: "an input, as node or node:0; not needed where the model has one",
  },
  "output-name": {value: "NAME", repeat: true, help: "an output, as node or node:0", byDefault: "all"},
  "input-shape": {
    value: "SHAPE",
    repeat: true,
    parse: parseShapeRequest,
    help: "shape of an input: image=1,8,8,1, or 1 8 8 1 for the only one",
  },
  "batch-size": {value: "N", parse: wholeNumber(1, 1_000_000), help: "first dimension of each input; checked"},
  "model-name": {value: "NAME", help: "what the model is called in the enclave", byDefault: "model"},
  signature: {value: "NAME", help: "of a SavedModel or .tflite file with several", byDefault: "serving_default"},
  tags: {value: "TAG,TAG", parse: parseTags, help: "of a SavedModel's MetaGraph", byDefault: "serve"},
  ...keepStateFlag,
} as const satisfies Flags;

/** What {@link inputFlags} ask of the conversion. */
export function modelWishes(args: FlagValues<typeof inputFlags>): ModelWishes {
  return {
    inputNames: args["input-name"],
    outputNames: args["output-name"],
    shapes: args["input-shape"],
    batchSize: args["batch-size"],
    signature: args.signature,
    tags: args.tags,
    keepState: args["keep-state"],
  };
}

export const benchmarkFlags = {
  iterations: {
    value: "N",
    parse: wholeNumber(1, 1_000_000),
    help: "timed predictions of a benchmark",
    byDefault: "100",
  },
  "trace-dir": {
    value: "DIR",
    help: "where a benchmark leaves TensorBoard events and a Chrome trace, a folder a run",
    byDefault: "traces",
  },
} as const satisfies Flags;

export const defaultModelName = "model";
/** What to call the traces of a model: its name in the enclave if one was given, else its file's. */
export function traceLabel(modelName: string | undefined, path: string | undefined): string {
  return modelName ?? (path === undefined ? defaultModelName : basename(path, extname(path)));
}

export const defaultIterations = 100;
export const defaultTraceFolder = "traces";

/** Throws `CLI_POLICY_NEEDED` and `CLI_USAGE` before anything else is done. */
export function checkServerFlags({
  server,
  policy,
  engine,
  threads,
}: {readonly [flag in "server" | "policy" | "engine" | "threads"]?: unknown}): void {
  if (server !== undefined && (engine !== undefined || threads !== undefined)) {
    throw new CliError("CLI_USAGE", "--engine and --threads are for an enclave started here; a server has its own");
  }
  if (server !== undefined && policy === undefined) {
    throw new CliError(
      "CLI_POLICY_NEEDED",
      `--server ${server} needs --policy FILE: nothing is sent to an unverified enclave`,
    );
  }
  if (server === undefined && policy !== undefined) {
    throw new CliError(
      "CLI_USAGE",
      "--policy is for --server; an enclave started here is verified by its own measurement and root",
    );
  }
}

export async function readInputFiles(paths: readonly string[]): Promise<readonly InputFile[]> {
  return Promise.all(paths.map(async (path) => ({path, bytes: await readInputFile(path)})));
}

/** What a command did so far, for the trace of a benchmark. */
export class PhaseClock {
  readonly #phases: {readonly name: string; readonly start: number; readonly end: number}[] = [];

  /** Runs a step under its name, which the terminal shows. */
  async time<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.#phases.push({name, start, end: performance.now()});
    return result;
  }

  /** Milliseconds of a phase; 0 where there was none. */
  durationMs(name: string): number {
    const phase = this.#phases.find((it) => it.name === name);
    return phase === undefined ? 0 : phase.end - phase.start;
  }

  /** All phases, relative to `origin` of the same clock. */
  before(origin: number): readonly Phase[] {
    return this.#phases.map(({name, start, end}) => ({name, startMs: start - origin, durationMs: end - start}));
  }
}
