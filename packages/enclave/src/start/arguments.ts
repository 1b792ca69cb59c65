/**
 * The enclave's own command line, for where it starts without a launcher: under Gramine, which fixes and measures it
 * (`loader.argv`). No arguments mean that a launcher talks over descriptor 3.
 */
import {parseArgs} from "node:util";
import {type EnclaveConfiguration, parseConfiguration} from "../configuration.ts";
import {EnclaveError} from "../enclave-error.ts";
import type {HardwarePlatform} from "../platforms/open-platform.ts";

export interface StartArguments {
  readonly platform: HardwarePlatform | "auto";
  readonly host: string;
  readonly port: number;
  readonly configuration: EnclaveConfiguration;
}

const platforms = ["auto", "gramine", "tdx", "snp"] as const satisfies readonly StartArguments["platform"][];

/** `undefined` without arguments. Throws `CONFIGURATION`. */
export function parseStartArguments(args: readonly string[]): StartArguments | undefined {
  if (args.length === 0) return undefined;
  const {platform, host, port, configuration} = parse(args);
  const kind = platforms.find((name) => name === platform);
  if (kind === undefined) {
    throw new EnclaveError("CONFIGURATION", `--platform is ${String(platform)}, expected ${platforms.join(", ")}`);
  }
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new EnclaveError("CONFIGURATION", `--port is ${port}, expected a number from 0 to 65535`);
  }
  return {platform: kind, host, port: Number(port), configuration: parseConfiguration(parseMembers(configuration))};
}

function parse(args: readonly string[]) {
  try {
    const {values} = parseArgs({
      args: [...args],
      options: {
        platform: {type: "string"},
        host: {type: "string", default: "0.0.0.0"},
        port: {type: "string", default: "50051"},
        configuration: {type: "string", default: "{}"},
      },
    });
    return values;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "";
    throw new EnclaveError("CONFIGURATION", `the arguments can't be understood: ${reason}`, {cause});
  }
}

function parseMembers(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new EnclaveError("CONFIGURATION", "--configuration isn't a JSON object");
}
