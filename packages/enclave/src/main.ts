/** Entry of the artefact: wiring only. Events go to stderr, one JSON line each. */
import "./confine-workers.ts";
import {type EventSink, internalError, startRefusal} from "./events.ts";
import {startAlone} from "./start/alone.ts";
import {parseStartArguments} from "./start/arguments.ts";
import {startWithLauncher} from "./start/with-launcher.ts";

const events: EventSink = (event) => {
  process.stderr.write(`${JSON.stringify(event)}\n`);
};
process.on("uncaughtException", (error) => {
  events(internalError(error));
  process.exit(1);
});

const artefact = new URL(".", import.meta.url);
const surroundings = {flags: process.execArgv, environment: process.env};
try {
  const args = parseStartArguments(process.argv.slice(2));
  if (args === undefined) startWithLauncher(artefact, surroundings, events);
  else await startAlone(artefact, args, surroundings, events);
} catch (error) {
  events(startRefusal(error));
  process.exit(1);
}
