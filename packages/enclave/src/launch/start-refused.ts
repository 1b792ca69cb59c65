/** What an enclave says of why it doesn't start, as its launcher throws it. */
import {EnclaveError, type EnclaveErrorCode, enclaveErrors} from "../enclave-error.ts";

/** With the enclave's own code where it is one of ours: what was started might be another program. */
export function startRefused(code: string, message: string): EnclaveError {
  const reason = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
  const known = Object.hasOwn(enclaveErrors, code) ? (code as EnclaveErrorCode) : "LAUNCH_FAILED";
  return new EnclaveError(known, `the enclave doesn't start: ${reason}`);
}
