/** The program from its arguments to its end. Events go to stderr, one JSON line each. */
import {type EventSink, internalError, startRefusal} from "../events.ts";
import type {DeviceFiles} from "../platforms/device-files.ts";
import {startAlone} from "./alone.ts";
import {parseStartArguments} from "./arguments.ts";
import {startWithLauncher} from "./with-launcher.ts";

const events: EventSink = (event) => {
  process.stderr.write(`${JSON.stringify(event)}\n`);
};

/** Never throws. `files` are this machine's; artefacts of tests, which have other measurements, bring their own. */
export async function runEnclave(artefact: URL, files: DeviceFiles): Promise<void> {
  process.on("uncaughtException", (error) => {
    events(internalError(error));
    process.exit(1);
  });
  const surroundings = {flags: process.execArgv, environment: process.env};
  try {
    const args = parseStartArguments(process.argv.slice(2));
    if (args === undefined) startWithLauncher(artefact, surroundings, files, events);
    else await startAlone(artefact, args, surroundings, files, events);
  } catch (error) {
    events(startRefusal(error));
    process.exit(1);
  }
}
