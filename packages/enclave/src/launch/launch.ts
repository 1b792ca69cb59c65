/**
 * Starts the enclave as its own process. For the simulated platform the launcher is the CPU as well: it measures the
 * artefact before the process exists, and every piece of evidence carries that measurement. In a TDX or SEV-SNP guest the
 * launcher is a part of the measured machine, and the enclave asks the guest's own device.
 */
import {realpath} from "node:fs/promises";
import {evidenceFromParts, evidenceParts, type SimulatedMachine} from "@tf-trusted/attestation";
import {encodeHex, parseHex} from "@tf-trusted/core";
import {type EnclaveConfiguration, parseConfiguration} from "../configuration.ts";
import {EnclaveError} from "../enclave-error.ts";
import type {EnclaveEvent} from "../events.ts";
import {systemFiles} from "../platforms/device-files.ts";
import type {GuestKind} from "../platforms/guest.ts";
import {expectedRtmr3, extendRtmr3} from "../platforms/tdx-rtmr.ts";
import {type ArtefactMeasurement, encodeManifest, measureArtefact} from "./artefact.ts";
import {type EnclaveExit, type EnclaveProcess, startProcess} from "./enclave-process.ts";
import {artefactWith, type ChosenEngine, chooseEngine, type EngineChoice} from "./native-artefact.ts";
import {nodeArgumentsOn} from "./node-arguments.ts";
import {findEnclaveNode} from "./node-binary.ts";

export interface LaunchOptions {
  /** The simulated machine (its keys, and so the root that a policy has to name), or the kind of guest that this is. */
  readonly platform: SimulatedMachine | GuestKind;
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

export interface LaunchedEnclave {
  /** `host:port`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** What computes in it, and why; `undefined` where the artefact was given. */
  readonly engine: ChosenEngine | undefined;
  /** What evidence says, hexadecimal: simulated MRENCLAVE, MRTD or launch digest. */
  readonly measurement: string;
  /** RTMR3 of a TDX guest, hexadecimal; `undefined` elsewhere, and where the kernel gives no access to it. */
  readonly rtmr3: string | undefined;
  /** Of the artefact, as the manifest of the build says: what a policy pins in simulation. */
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
  let rtmr3: string | undefined;

  async function start(): Promise<void> {
    measured = await measureArtefact(folder, {node});
    const {measurement, manifest} = measured;
    const guest = typeof platform === "string" ? platform : undefined;
    if (guest === "tdx") {
      const encoded = Buffer.from(encodeManifest(manifest));
      rtmr3 = (await extendRtmr3(systemFiles, encoded)) ? encodeHex(expectedRtmr3(encoded)) : undefined;
    }
    running = await startProcess({
      node,
      folder,
      nodeArguments: nodeArgumentsOn(guest ?? "simulated", manifest.arguments, folder),
      start: {kind: "start", host, port, platform: guest ?? "simulated", measurement, configuration},
      quote:
        typeof platform === "string"
          ? undefined
          : (reportData) => attest(platform, parseHex(measurement), reportData, carryCollateral),
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
      return running.measurement;
    },
    get expectedMeasurement() {
      return measured.expected;
    },
    get rtmr3() {
      return rtmr3;
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

async function realFolder(folder: string): Promise<string> {
  try {
    // Node's permission model compares real paths.
    return await realpath(folder);
  } catch (cause) {
    throw new EnclaveError("ARTEFACT_INVALID", `${folder} isn't there, expected the folder of an artefact`, {cause});
  }
}
