/** An error for people and for programs: what to do, and the exit code. */
import {attestationCodes, attestationErrors} from "@tf-trusted/attestation";
import type {AttestationError} from "@tf-trusted/client";
import {convertErrors} from "@tf-trusted/convert";
import {coreErrors, type ErrorTable, type JsonValue, type TfTrustedError} from "@tf-trusted/core";
import {litertErrors} from "@tf-trusted/litert";
import {tensorErrors} from "@tf-trusted/tensor";
import {tfliteErrors} from "@tf-trusted/tflite";
import {cliErrors} from "./cli-error.ts";
import {type ExitCode, exitCodes} from "./exit-codes.ts";
import {printable} from "./render/style.ts";

const tables: readonly ErrorTable[] = [
  cliErrors,
  attestationCodes,
  attestationErrors,
  convertErrors,
  litertErrors,
  tfliteErrors,
  tensorErrors,
  coreErrors,
];

/** Of the packages that only commands with an enclave load: they would double the time of all others. */
async function enclaveTables(): Promise<readonly ErrorTable[]> {
  const [{clientErrors}, {enclaveErrors}, {protocolErrors}] = await Promise.all([
    import("@tf-trusted/client"),
    import("@tf-trusted/enclave"),
    import("@tf-trusted/protocol"),
  ]);
  return [clientErrors, enclaveErrors, protocolErrors];
}

/** Codes of wrong use that come from below: what was typed, or a file that the user wrote. */
const wrongUse: ReadonlySet<string> = new Set([
  "CLI_USAGE",
  "CLI_FILE_KIND",
  "CLI_INPUT_NAME",
  "CLI_INPUT_DTYPE",
  "CLI_INPUT_SHAPE",
  "CLI_BATCH",
  "CLI_OUTPUT_NAME",
  "CLI_SIGNATURE",
  "CLI_POLICY_NEEDED",
  "CLI_PLATFORM",
  "CONVERT_NAME_UNKNOWN",
  "CONVERT_OUTPUTS_AMBIGUOUS",
  "CONVERT_INPUT_SHAPE",
  "POLICY_INVALID",
  "BUNDLE_INVALID",
  "JSON_INVALID",
  "MODEL_NAME",
  "ADDRESS",
]);

/** Beside the codes of reports: the other end is no enclave at all, or contradicts itself; so do files of an enclave. */
const notTrusted: ReadonlySet<string> = new Set([
  ...Object.keys(attestationCodes),
  "NOT_ATTESTABLE",
  "CLAIMS_MISMATCH",
  "SIGSTRUCT_SIGNATURE",
  "SIGSTRUCT_DEBUG",
  "GRAMINE_UNSAFE",
  "GRAMINE_MISMATCH",
]);

/** What to do, by the tables; for codes of a newer enclave, what that says. */
export async function todoOf({code, details}: TfTrustedError): Promise<string | undefined> {
  const entryIn = (candidates: readonly ErrorTable[]) => candidates.find((table) => Object.hasOwn(table, code))?.[code];
  const entry = entryIn(tables) ?? entryIn(await enclaveTables());
  return entry?.todo ?? (typeof details.todo === "string" ? printable(details.todo) : undefined);
}

/** `{error: {code, message, todo, details}}`, with the report of a refused enclave; the message without the code. */
export async function describeError(error: TfTrustedError): Promise<JsonValue> {
  const {code, message, details} = error;
  const todo = await todoOf(error);
  const {report} = error as Partial<AttestationError>;
  return {
    error: {
      code,
      message: message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message,
      ...(todo !== undefined && {todo}),
      details: toJson(details),
      ...(report !== undefined && {report: toJson(report)}),
    },
  };
}

export function exitCodeOf(error: TfTrustedError): ExitCode {
  if (error.code === "CLI_INTERRUPTED") return exitCodes.interrupted;
  if (notTrusted.has(error.code)) return exitCodes.notTrusted;
  return wrongUse.has(error.code) ? exitCodes.wrongUse : exitCodes.failed;
}

/** Details may hold bigints; what JSON can't carry becomes text. */
function toJson(value: object): JsonValue {
  return JSON.parse(
    JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item)),
  ) as JsonValue;
}
