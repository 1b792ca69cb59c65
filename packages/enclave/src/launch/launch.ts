/**
 * Starts the enclave as its own process with nothing inherited: no environment, one descriptor (the control channel) and
 * a pipe for its events. For the simulated platform the launcher is the CPU as well: it measures the artefact before the
 * process exists, and every piece of evidence carries that measurement.
 */
import {type ChildProcess, spawn} from "node:child_process";
import {realpath} from "node:fs/promises";
import type {Duplex} from "node:stream";
import {evidenceFromParts, evidenceParts, type SimulatedMachine} from "@tf-trusted/attestation";
import {parseHex} from "@tf-trusted/core";
import {type EnclaveConfiguration, parseConfiguration} from "../configuration.ts";
import {EnclaveError} from "../enclave-error.ts";
import type {EnclaveEvent} from "../events.ts";
import {type EnclaveMessage, type LauncherMessage, openChannel} from "../platforms/control-channel.ts";
import {encodeEvidence} from "../platforms/simulated.ts";
import {type ArtefactMeasurement, measureArtefact} from "./artefact.ts";
import {artefactWith, type ChosenEngine, chooseEngine, type EngineChoice} from "./native-artefact.ts";
import {findEnclaveNode} from "./node-binary.ts";

export interface LaunchOptions {
  /** The simulated machine: its keys, and so the root that a policy has to name. */
  readonly platform: SimulatedMachine;
  /** Folder of the artefact; default: the one built with this package for the engine. */
  readonly artefact?: string;
  /** Which engine it computes with; default: `wasm`. `auto`: the native one where it is installed. */
  readonly engine?: EngineChoice;
  /** Path of Node.js; default: the pinned one. */
  readonly node?: string;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: any free one. After a restart it is the same. */
  readonly port?: number;
  readonly configuration?: Partial<EnclaveConfiguration>;
  readonly onEvent?: (event: EnclaveEvent) => void;
  /** Called when a process that was ready ended without being asked to. */
  readonly onExit?: (exit: EnclaveExit) => void;
  /** Whether evidence comes with its collateral; default: true. Without it callers fetch it from the vendor's service. */
  readonly carryCollateral?: boolean;
  /** Whether to start it again then, at once and with growing pauses; default: false. */
  readonly restart?: boolean;
}

export interface EnclaveExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface LaunchedEnclave {
  /** `host:port`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** What computes in it, and why; `undefined` where the artefact was given. */
  readonly engine: ChosenEngine | undefined;
  /** Of the artefact, hexadecimal: the simulated MRENCLAVE; MRTD and launch measurement are made from it. */
  readonly measurement: string;
  /** What the manifest of the build says it should be: what a policy pins. */
  readonly expectedMeasurement: string;
  /** Files that differ from that manifest; clients that pin its measurement will refuse. */
  readonly altered: readonly string[];
  /** Of the process that runs now. */
  readonly pid: number;
  /** Ends the process and starts another one at the same port: new keys, no models. */
  restart(): Promise<void>;
  /** Lets calls finish for a second, then ends. Idempotent. */
  stop(): Promise<void>;
}

const readyWithinMs = 60_000;
const stopWithinMs = 5_000;
const restartPauses = [0, 250, 1000, 5000, 15_000];

/** Measures, starts, and waits until it listens. Throws `ARTEFACT_INVALID`, `NODE_MISSING`, `CONFIGURATION`, `LAUNCH_FAILED`. */
export async function launchEnclave(options: LaunchOptions): Promise<LaunchedEnclave> {
  const {platform, host = "127.0.0.1", onEvent, onExit, carryCollateral = true} = options;
  const configuration: Readonly<Record<string, unknown>> = {...options.configuration};
  parseConfiguration(configuration);
  const {artefact, engine: choice = "wasm"} = options;
  let chosen = artefact === undefined ? chooseEngine(choice) : undefined;
  let folder = await realFolder(artefact ?? (await artefactWith(chosen!.engine)));
  const node = options.node ?? findEnclaveNode();
  let stopping = false;
  let port = options.port ?? 0;
  let measured: ArtefactMeasurement;
  let running: EnclaveProcess;
  let failures = 0;

  async function start(): Promise<void> {
    measured = await measureArtefact(folder, {node});
    const {measurement, manifest} = measured;
    running = await startProcess({
      node,
      folder,
      nodeArguments: manifest.arguments.map((argument) => argument.replaceAll("{artefact}", folder)),
      start: {kind: "start", host, port, measurement, configuration},
      quote: (reportData) => attest(platform, parseHex(measurement), reportData, carryCollateral),
      onEvent,
    });
    port = running.port;
    const started = performance.now();
    const process = running;
    void process.exited.then((exit) => {
      if (process !== running || stopping || process.expected) return;
      onExit?.(exit);
      if (!options.restart) return;
      failures = performance.now() - started > 60_000 ? 0 : failures + 1;
      setTimeout(retry, restartPauses[Math.min(failures, restartPauses.length) - 1] ?? 0);
    });
  }

  function retry(): void {
    if (stopping) return;
    start().catch(() => {
      failures++;
      setTimeout(retry, restartPauses.at(-1));
    });
  }

  try {
    await start();
  } catch (error) {
    // Some systems let no process be started or confined, which only trying tells.
    const mayFallBack = choice === "auto" && chosen?.engine === "native";
    if (!mayFallBack || !(error instanceof EnclaveError) || error.code !== "LAUNCH_FAILED") throw error;
    chosen = {engine: "wasm", reason: `the native engine doesn't start here: ${error.message}`};
    folder = await realFolder(await artefactWith("wasm"));
    await start();
  }
  return {
    host,
    engine: chosen,
    get port() {
      return port;
    },
    get address() {
      return `${host.includes(":") ? `[${host}]` : host}:${port}`;
    },
    get measurement() {
      return measured.measurement;
    },
    get expectedMeasurement() {
      return measured.expected;
    },
    get altered() {
      return measured.altered;
    },
    get pid() {
      return running.pid;
    },
    restart: async () => {
      await running.stop();
      await start();
    },
    stop: async () => {
      stopping = true;
      await running.stop();
    },
  };
}

async function attest(
  platform: SimulatedMachine,
  measurement: Uint8Array,
  reportData: Uint8Array,
  carryCollateral: boolean,
): ReturnType<SimulatedMachine["attest"]> {
  const evidence = await platform.attest({measurement, reportData});
  return carryCollateral ? evidence : evidenceFromParts({...evidenceParts(evidence), collateral: {}});
}

interface ProcessOptions {
  readonly node: string;
  readonly folder: string;
  readonly nodeArguments: readonly string[];
  readonly start: LauncherMessage;
  readonly quote: (reportData: Uint8Array) => ReturnType<SimulatedMachine["attest"]>;
  readonly onEvent: ((event: EnclaveEvent) => void) | undefined;
}

interface EnclaveProcess {
  readonly pid: number;
  readonly port: number;
  /** Whether `stop` was called. */
  readonly expected: boolean;
  readonly exited: Promise<EnclaveExit>;
  stop(): Promise<void>;
}

async function startProcess({
  node,
  folder,
  nodeArguments,
  start,
  quote,
  onEvent,
}: ProcessOptions): Promise<EnclaveProcess> {
  // Descriptors: 0, 1 nothing; 2 events; 3 the control channel. Node opens its own others with close-on-exec.
  // The folder: Node 24 lets workers read all that lies under the directory in which the process was started.
  const child = spawn(node, nodeArguments, {env: {}, cwd: folder, stdio: ["ignore", "ignore", "pipe", "pipe"]});
  const lastWords = followEvents(child, onEvent);
  const exited = new Promise<EnclaveExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({code, signal}));
    child.once("error", () => resolve({code: null, signal: null}));
  });
  const killChild = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", killChild);
  void exited.then(() => process.off("exit", killChild));

  const socket = child.stdio[3] as Duplex;
  socket.on("error", () => {
    // The process has ended; `exited` tells.
  });
  let expected = false;
  let timer: NodeJS.Timeout | undefined;
  const port = await new Promise<number>((resolve, reject) => {
    const fail = (found: string) => {
      reject(new EnclaveError("LAUNCH_FAILED", `${found}${lastWords()}; expected it to listen`));
      child.kill("SIGKILL");
    };
    const channel = openChannel<EnclaveMessage, LauncherMessage>(socket, (message) => {
      if (message.kind === "ready") resolve(message.port);
      if (message.kind === "failed") fail(`the enclave reports: ${message.message}`);
      if (message.kind !== "quote") return;
      const {id, reportData} = message;
      quote(Uint8Array.from(Buffer.from(reportData, "base64"))).then(
        (evidence) => channel.send(encodeEvidence(id, evidence)),
        () => channel.send({kind: "no-evidence", id}),
      );
    });
    child.once("error", ({message}) => fail(`${node} can't be run (${message})`));
    void exited.then(({code, signal}) => fail(`the process ended with ${signal ?? code}`));
    timer = setTimeout(() => fail(`nothing came within ${readyWithinMs} ms`), readyWithinMs);
    channel.send(start);
  }).finally(() => clearTimeout(timer));

  return {
    pid: child.pid!,
    port,
    get expected() {
      return expected;
    },
    exited,
    stop: async () => {
      expected = true;
      socket.write('{"kind":"stop"}\n');
      const kill = setTimeout(killChild, stopWithinMs);
      await exited;
      clearTimeout(kill);
      socket.destroy();
    },
  };
}

/** Passes events on, and keeps the last lines that aren't events: what Node says when it can't start. */
function followEvents(child: ChildProcess, onEvent: ((event: EnclaveEvent) => void) | undefined): () => string {
  const words: string[] = [];
  let pending = "";
  child.stderr!.setEncoding("utf8");
  child.stderr!.on("data", (text: string) => {
    const lines = (pending + text).split("\n");
    pending = lines.pop()!.slice(-10_000);
    for (const line of lines) {
      try {
        onEvent?.(JSON.parse(line) as EnclaveEvent);
      } catch {
        if (words.length < 20) words.push(line.slice(0, 500));
      }
    }
  });
  return () => (words.length > 0 ? `, saying ${JSON.stringify(words.join("\n"))}` : "");
}

async function realFolder(folder: string): Promise<string> {
  try {
    // Node's permission model compares real paths.
    return await realpath(folder);
  } catch (cause) {
    throw new EnclaveError("ARTEFACT_INVALID", `${folder} isn't there, expected the folder of an artefact`, {cause});
  }
}
