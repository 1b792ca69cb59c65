/** Entry of the artefact: wiring only. Descriptor 3 leads to the launcher; events go to stderr, one JSON line each. */
import "./confine-workers.ts";
import {existsSync} from "node:fs";
import {readFile} from "node:fs/promises";
import {Socket} from "node:net";
import {fileURLToPath} from "node:url";
import {
  artefactFiles,
  artefactNativeFiles,
  createNativeEngine,
  createWasmEngine,
  type Engine,
  type EngineFiles,
} from "@tf-trusted/litert";
import {type EnclaveConfiguration, parseConfiguration} from "./configuration.ts";
import {type RunningEnclave, startEnclave} from "./enclave.ts";
import {type EventSink, internalError} from "./events.ts";
import {type EnclaveMessage, type LauncherMessage, openChannel} from "./platforms/control-channel.ts";
import {type SimulatedPlatformClient, simulatedPlatform} from "./platforms/simulated.ts";

const events: EventSink = (event) => {
  process.stderr.write(`${JSON.stringify(event)}\n`);
};
const socket = new Socket({fd: 3, readable: true, writable: true});
const channel = openChannel<LauncherMessage, EnclaveMessage>(socket, (message) => {
  receive(message).catch((error: unknown) => {
    events(internalError(error));
    channel.send({kind: "failed", message: error instanceof Error ? error.message : "unknown"});
  });
});
let platform: SimulatedPlatformClient | undefined;
let enclave: RunningEnclave | undefined;

// Without its launcher an enclave has no platform, and nobody to stop it.
socket.on("close", () => process.exit(0));
socket.on("error", () => process.exit(1));
process.on("uncaughtException", (error) => {
  events(internalError(error));
  process.exit(1);
});

async function receive(message: LauncherMessage): Promise<void> {
  switch (message.kind) {
    case "start": {
      platform = simulatedPlatform(channel, message.measurement);
      const configuration = parseConfiguration(message.configuration);
      const engine = await measuredEngine(configuration);
      const {host, port} = message;
      enclave = await startEnclave({engine, platform, configuration, host, port, events});
      channel.send({kind: "ready", port: enclave.port});
      break;
    }
    case "stop":
      await enclave?.stop();
      process.exit(0);
      break;
    default:
      platform?.receive(message);
  }
}

/** The engine whose files this artefact has: which one that is was measured, nobody chooses it now. */
async function measuredEngine({modelThreads}: EnclaveConfiguration): Promise<Engine> {
  const native = artefactNativeFiles(fileURLToPath(new URL(".", import.meta.url)));
  if (existsSync(native.entry)) return createNativeEngine({files: native, threads: modelThreads});
  return createWasmEngine({files: await engineFilesInMemory()});
}

/** The worker's script is read once: what the host puts in its place after the measurement is never run. */
async function engineFilesInMemory(): Promise<EngineFiles> {
  const files = artefactFiles(new URL(".", import.meta.url));
  const script = await readFile(files.worker, "base64");
  return {...files, worker: new URL(`data:text/javascript;base64,${script}`)};
}
