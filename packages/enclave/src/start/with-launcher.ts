/** Started by a launcher: descriptor 3 leads to it. For the simulated platform it is the CPU as well; guests have their own. */
import {Socket} from "node:net";
import {parseConfiguration} from "../configuration.ts";
import {type RunningEnclave, startEnclave} from "../enclave.ts";
import {EnclaveError} from "../enclave-error.ts";
import {type EventSink, startRefusal} from "../events.ts";
import {type EnclaveMessage, type LauncherMessage, openChannel} from "../platforms/control-channel.ts";
import type {DeviceFiles} from "../platforms/device-files.ts";
import type {GuestKind} from "../platforms/guest.ts";
import {openPlatform} from "../platforms/open-platform.ts";
import type {Platform} from "../platforms/platform.ts";
import {type SimulatedPlatformClient, simulatedPlatform} from "../platforms/simulated.ts";
import type {Surroundings} from "../platforms/surroundings.ts";
import {openEngine} from "./engine-files.ts";

export function startWithLauncher(
  artefact: URL,
  surroundings: Surroundings,
  files: DeviceFiles,
  events: EventSink,
): void {
  const socket = new Socket({fd: 3, readable: true, writable: true});
  const channel = openChannel<LauncherMessage, EnclaveMessage>(socket, (message) => {
    receive(message).catch((error: unknown) => {
      events(startRefusal(error));
      const code = error instanceof EnclaveError ? error.code : "";
      channel.send({kind: "failed", code, message: error instanceof Error ? error.message : "unknown"});
    });
  });
  let simulated: SimulatedPlatformClient | undefined;
  let enclave: RunningEnclave | undefined;

  // Without its launcher an enclave has nobody to stop it.
  socket.on("close", () => process.exit(0));
  socket.on("error", () => process.exit(1));

  async function open(kind: "simulated" | GuestKind, measurement: string): Promise<Platform> {
    if (kind !== "simulated") return openPlatform(kind, surroundings, files);
    simulated = simulatedPlatform(channel, measurement);
    return simulated;
  }

  async function receive(message: LauncherMessage): Promise<void> {
    switch (message.kind) {
      case "start": {
        const {host, port} = message;
        const platform = await open(message.platform, message.measurement);
        const configuration = parseConfiguration(message.configuration);
        const engine = await openEngine(artefact, configuration, platform.kind);
        enclave = await startEnclave({engine, platform, configuration, host, port, events});
        channel.send({kind: "ready", port: enclave.port, measurement: platform.measurement()});
        break;
      }
      case "stop":
        await enclave?.stop();
        process.exit(0);
        break;
      default:
        simulated?.receive(message);
    }
  }
}
