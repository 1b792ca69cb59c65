/**
 * What the process was started with, where that decides about security: Node's flags and environment. Under Gramine both
 * are fixed by the measured manifest, unless it says otherwise; a contradiction ends the start.
 */
import {EnclaveError} from "../enclave-error.ts";
import type {PlatformKind} from "./platform.ts";

export interface Surroundings {
  /** `process.execArgv`. */
  readonly flags: readonly string[];
  /** `process.env`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Without EDMM an enclave's `mprotect` does nothing: a guard page doesn't fault, and WebAssembly would leave its memory. */
export const inlineBoundsFlag = "--disable-wasm-trap-handler";

/** Flags that open the process to whoever can reach it, or take WebAssembly away. */
const openingFlags: readonly RegExp[] = [
  /^--inspect/,
  /^--debug/,
  /^--experimental-(loader|network-inspection)/,
  /^--jitless/,
];
const loadingFlags: readonly RegExp[] = [/^(-r|--require|--import|--loader|--env-file|--allow-addons)/];
/** Under Gramine a child would be another enclave, or none; in a guest the native engine has its own. */
const childFlag = /^--allow-child-process/;

/** Variables that change what Node, OpenSSL or the loader do. */
const harmful = [
  "NODE_OPTIONS",
  "NODE_PATH",
  "NODE_EXTRA_CA_CERTS",
  "LD_PRELOAD",
  "LD_AUDIT",
  "SSLKEYLOGFILE",
  "OPENSSL_CONF",
];

/** Throws `PLATFORM_UNSAFE`. */
export function checkSurroundings(kind: PlatformKind, {flags, environment}: Surroundings): void {
  if (kind === "gramine" && !flags.includes(inlineBoundsFlag)) {
    throw new EnclaveError(
      "PLATFORM_UNSAFE",
      `Node.js runs without ${inlineBoundsFlag}: guard pages don't fault in an SGX enclave, so a model could read and write ` +
        "outside of its memory; expected it in the manifest's loader.argv",
    );
  }
  const refused = [...openingFlags, ...loadingFlags, ...(kind === "gramine" ? [childFlag] : [])];
  const flag = flags.find((given) => refused.some((pattern) => pattern.test(given)));
  if (flag !== undefined) {
    throw new EnclaveError(
      "PLATFORM_UNSAFE",
      `Node.js runs with ${flag}; expected the flags of the artefact's manifest`,
    );
  }
  const variable = harmful.find((name) => environment[name] !== undefined);
  if (variable !== undefined) {
    throw new EnclaveError(
      "PLATFORM_UNSAFE",
      `the environment has ${variable}; expected none that changes the program`,
    );
  }
}
