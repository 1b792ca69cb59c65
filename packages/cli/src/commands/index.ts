/** The command table, in the order in which the help lists them. */
import type {Command} from "../command.ts";
import {attestCommand} from "./attest.ts";
import {benchCommand} from "./bench.ts";
import {convertCommand} from "./convert.ts";
import {enclaveMeasureCommand} from "./enclave/measure.ts";
import {inspectCommand} from "./inspect.ts";
import {policyCheckCommand} from "./policy/check.ts";
import {policyExplainCommand} from "./policy/explain.ts";
import {policyInitCommand} from "./policy/init.ts";
import {runCommand} from "./run.ts";
import {serveCommand} from "./serve.ts";

export const commands: readonly Command[] = [
  runCommand,
  serveCommand,
  attestCommand,
  convertCommand,
  inspectCommand,
  benchCommand,
  enclaveMeasureCommand,
  policyInitCommand,
  policyCheckCommand,
  policyExplainCommand,
];
