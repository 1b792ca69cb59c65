/**
 * `npm run fuzz [-- COUNT [WORD]]`: damaged models for every reader. Each mutant has to give a model, a description or a
 * coded error within two seconds of this process' own time, and it may not grow beyond a bound. `npm test` runs fewer.
 */
import {TfTrustedError} from "@tf-trusted/core";
import {fuzzTargets} from "./fuzz-targets.ts";

const maxMs = 2_000;
const maxMegabytes = 1_500;

const count = Number(process.argv[2] ?? 10_000);
const word = process.argv[3] ?? "";
let failures = 0;
for (const {name, cases} of fuzzTargets) {
  if (!name.includes(word)) continue;
  const outcomes = {done: 0, refused: 0, failed: 0};
  let slowest = 0;
  let at = 0;
  for (const run of cases(count)) {
    const started = process.cpuUsage();
    try {
      await run();
      outcomes.done++;
    } catch (error) {
      if (error instanceof TfTrustedError) outcomes.refused++;
      else {
        outcomes.failed++;
        console.error(`${name}, mutant ${at}: ${error instanceof Error ? error.stack : String(error)}`);
      }
    }
    const {user, system} = process.cpuUsage(started);
    const ms = (user + system) / 1000;
    slowest = Math.max(slowest, ms);
    if (ms > maxMs) {
      outcomes.failed++;
      console.error(`${name}, mutant ${at}: ${Math.round(ms)} ms`);
    }
    at++;
  }
  failures += outcomes.failed;
  const megabytes = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(`${name}: ${JSON.stringify(outcomes)}, slowest ${Math.round(slowest)} ms, RSS at most ${megabytes} MB`);
  if (megabytes > maxMegabytes) failures++;
}
process.exitCode = failures === 0 ? 0 : 1;
