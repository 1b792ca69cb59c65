/**
 * The frame in which verification runs: checks are values in ordered sequences; each names the codes that it can give and
 * the facts that it needs and adds, so that the types hold the order. Reports, documentation and code list the same checks
 * because all three come from these values.
 */
import {AttestationError} from "../attestation-error.ts";
import {type AttestationCode, attestationCodes} from "../codes.ts";

export interface Check<Needs, Gives> {
  /** Stable, kebab-case. */
  readonly id: string;
  readonly title: string;
  /** What passes, in words; a failure may be more precise. */
  readonly expects: string;
  /** Where this is specified. */
  readonly source: string;
  /** Every code that this check can give. */
  readonly codes: readonly AttestationCode[];
  readonly run: (facts: Needs) => Outcome<Gives> | Promise<Outcome<Gives>>;
}

export type Outcome<Gives> =
  | {readonly status: "ok"; readonly found: string; readonly facts: Gives}
  | {readonly status: "failed"; readonly code: AttestationCode; readonly found: string; readonly expected: string}
  /** Nothing was asked for here. */
  | {readonly status: "skipped"; readonly found: string};

/** One line of a report. */
export interface Step {
  readonly id: string;
  readonly title: string;
  readonly status: "ok" | "failed" | "skipped";
  /** Only of a failed step. */
  readonly code: AttestationCode | null;
  readonly expected: string;
  /** What was found; why, for a skipped step. */
  readonly found: string;
  /** Where the check is specified. */
  readonly source: string;
}

export interface SequenceResult<Facts> {
  readonly steps: readonly Step[];
  /** `null` where all passed. */
  readonly failed: Step | null;
  /** What was established before the first failure. */
  readonly facts: Partial<Facts>;
}

// biome-ignore lint/suspicious/noExplicitAny: a sequence keeps its checks in order; their types met when it was built
type AnyCheck = Check<any, object>;

/** An ordered list of checks; the first failure decides and the rest are skipped. */
export class CheckSequence<Start extends object, Facts extends object> {
  readonly checks: readonly AnyCheck[];

  constructor(checks: readonly AnyCheck[]) {
    this.checks = checks;
  }

  /** This sequence followed by `check`, whose needs must be given by now. */
  followedBy<Gives extends object>(check: Check<Facts, Gives>): CheckSequence<Start, Facts & Gives> {
    return new CheckSequence([...this.checks, check]);
  }

  async run(start: Start): Promise<SequenceResult<Facts>> {
    let facts: object = start;
    let failed: Step | null = null;
    const steps: Step[] = [];
    for (const check of this.checks) {
      if (failed) {
        steps.push(skippedStep(check, `not reached: ${failed.id} failed`));
        continue;
      }
      const outcome = await runCheck(check, facts);
      const {id, title, expects, source} = check;
      if (outcome.status === "ok") {
        facts = {...facts, ...outcome.facts};
        steps.push({id, title, status: "ok", code: null, expected: expects, found: outcome.found, source});
      } else if (outcome.status === "skipped") {
        steps.push(skippedStep(check, outcome.found));
      } else {
        failed = {
          id,
          title,
          status: "failed",
          code: outcome.code,
          expected: outcome.expected,
          found: outcome.found,
          source,
        };
        steps.push(failed);
      }
    }
    return {steps, failed, facts: facts as Partial<Facts>};
  }

  /** Every check as a skipped step: for a report that ends before this sequence. */
  skipped(why: string): readonly Step[] {
    return this.checks.map((check) => skippedStep(check, why));
  }
}

/** The beginning of a sequence. */
export function checksFrom<Start extends object>(): CheckSequence<Start, Start> {
  return new CheckSequence([]);
}

export function pass<const Gives extends object>(found: string, facts: Gives): Outcome<Gives> {
  return {status: "ok", found, facts};
}

export function fail(code: AttestationCode, found: string, expected: string): Outcome<never> {
  return {status: "failed", code, found, expected};
}

/** Passes if `holds`. */
export function passIf(holds: boolean, code: AttestationCode, found: string, expected: string): Outcome<object> {
  return holds ? pass(found, {}) : fail(code, found, expected);
}

async function runCheck(check: AnyCheck, facts: object): Promise<Outcome<object>> {
  try {
    const outcome = await check.run(facts);
    if (outcome.status === "failed" && !check.codes.includes(outcome.code)) {
      return fail("INTERNAL", `the code ${outcome.code}, which ${check.id} doesn't list`, "a listed code");
    }
    return outcome;
  } catch (error) {
    if (error instanceof AttestationError && isCode(error.code) && check.codes.includes(error.code)) {
      return fail(error.code, String(error.details.found), String(error.details.expected));
    }
    // Whatever else comes out of a check is a bug of ours; the evidence is refused all the same.
    return fail("INTERNAL", String(error), "no failure of the verifier");
  }
}

function isCode(code: string): code is AttestationCode {
  return code in attestationCodes;
}

function skippedStep({id, title, expects, source}: AnyCheck, found: string): Step {
  return {id, title, status: "skipped", code: null, expected: expects, found, source};
}
