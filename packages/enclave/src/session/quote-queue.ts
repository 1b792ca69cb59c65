/**
 * Evidence one after the other and no more than so many a second: real platforms quote slowly and one at a time, and
 * nobody may stall calls by asking for evidence (DESIGN §5.6).
 */
import type {Evidence} from "@tf-trusted/attestation";
import {EnclaveError} from "../enclave-error.ts";
import type {Platform} from "../platforms/platform.ts";

const maxWaiting = 64;

export class QuoteQueue {
  readonly #platform: Platform;
  readonly #perSecond: number;
  #tokens: number;
  #refilledAt: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(platform: Platform, perSecond: number) {
    this.#platform = platform;
    this.#perSecond = perSecond;
    // A burst of two seconds' worth.
    this.#tokens = 2 * perSecond;
    this.#refilledAt = performance.now();
  }

  /** Throws `ATTEST_BUSY` at once rather than let a queue grow, and `PLATFORM_FAILED`. */
  evidence(reportData: Uint8Array): Promise<Evidence> {
    const now = performance.now();
    this.#tokens = Math.min(2 * this.#perSecond, this.#tokens + ((now - this.#refilledAt) / 1000) * this.#perSecond);
    this.#refilledAt = now;
    if (this.#tokens < 1 || this.#waiting >= maxWaiting) {
      return Promise.reject(
        new EnclaveError(
          "ATTEST_BUSY",
          `${this.#waiting} wait for evidence, of which ${this.#perSecond} a second are made`,
        ),
      );
    }
    this.#tokens--;
    this.#waiting++;
    const evidence = this.#last.then(() => this.#platform.evidence(reportData));
    this.#last = evidence.then(
      () => this.#waiting--,
      () => this.#waiting--,
    );
    return evidence;
  }
}
