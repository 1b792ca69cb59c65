/** The verdict of a report in a sentence. */
import type {Step} from "../checks/check.ts";
import {attestationCodes} from "../codes.ts";
import type {PolicyReport} from "./report.ts";

export function summarise(facts: {
  readonly failed: Step | null;
  readonly genuine: boolean;
  readonly simulated: boolean;
  readonly bound: boolean;
  readonly policy: PolicyReport;
}): string {
  const {failed, genuine, simulated, bound, policy} = facts;
  if (failed?.code) {
    const genuineText = genuine ? `genuine${simulated ? " (simulated)" : ""}, but ` : "";
    return `Refused: ${genuineText}${lowerFirst(attestationCodes[failed.code].when)}`;
  }
  const title = policy.considered.find(({index}) => index === policy.matchedIdentity)?.title;
  const kind = simulated ? "A SIMULATED enclave, which protects nothing" : "A genuine enclave";
  return `Trusted: ${lowerFirst(kind)}, matching ${title}${bound ? ", bound to this session" : "; not bound to a session"}.`;
}

function lowerFirst(text: string): string {
  return /^[A-Z][A-Z]/.test(text) ? text : text.charAt(0).toLowerCase() + text.slice(1);
}
