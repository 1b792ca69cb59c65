/** Started by the TEE itself, as by Gramine: arguments say what to do, and SIGTERM ends it. */
import {startEnclave} from "../enclave.ts";
import type {EventSink} from "../events.ts";
import type {DeviceFiles} from "../platforms/device-files.ts";
import {openPlatform} from "../platforms/open-platform.ts";
import type {Surroundings} from "../platforms/surroundings.ts";
import type {StartArguments} from "./arguments.ts";
import {openEngine} from "./engine-files.ts";

/** Throws as `openPlatform`, `openEngine` and `startEnclave`. */
export async function startAlone(
  artefact: URL,
  args: StartArguments,
  surroundings: Surroundings,
  files: DeviceFiles,
  events: EventSink,
): Promise<void> {
  const {host, port, configuration} = args;
  const platform = await openPlatform(args.platform, surroundings, files);
  const engine = await openEngine(artefact, configuration, platform.kind);
  const enclave = await startEnclave({engine, platform, configuration, host, port, events});
  let stopping = false;
  process.on("SIGTERM", () => {
    if (stopping) return;
    stopping = true;
    void enclave.stop().finally(() => process.exit(0));
  });
}
