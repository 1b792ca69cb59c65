/**
 * The state of one connection: nothing is served on it before it attested, and it ends after an hour at most. The state
 * belongs to the TLS socket, because the exporter does; a new connection is a new session.
 */
import type {Http2Session} from "node:http2";
import type {TLSSocket} from "node:tls";
import type {Evidence} from "@tf-trusted/attestation";
import {claimsDigest, exporterLabel, fieldBytes, sessionReportData} from "@tf-trusted/protocol";
import type {EnclaveConfiguration} from "../configuration.ts";
import {EnclaveError} from "../enclave-error.ts";
import type {EventSink} from "../events.ts";
import type {QuoteQueue} from "./quote-queue.ts";

/** What all sessions of an enclave share. */
export interface SessionContext {
  readonly configuration: EnclaveConfiguration;
  readonly quotes: QuoteQueue;
  /** Canonical JSON. */
  readonly claims: Uint8Array;
  readonly spkiSha256: Uint8Array;
  readonly events: EventSink;
}

/** How long calls under way may take once their session ended. */
const graceMs = 10_000;

export class Session {
  readonly #http2: Http2Session;
  readonly #context: SessionContext;
  #attests = 0;
  #attested = false;
  #expired = false;
  #timer: NodeJS.Timeout;

  constructor(http2: Http2Session, context: SessionContext) {
    this.#http2 = http2;
    this.#context = context;
    const {attestWithinMs} = context.configuration;
    this.#timer = setTimeout(() => {
      context.events({event: "session-refused", code: "ATTEST_FIRST"});
      http2.destroy();
    }, attestWithinMs).unref();
    http2.once("close", () => clearTimeout(this.#timer));
  }

  /** Throws `ATTEST_FIRST` or `SESSION_EXPIRED`. */
  checkAttested(): void {
    if (this.#expired) throw new EnclaveError("SESSION_EXPIRED", "the session ended; connect and attest again");
    if (!this.#attested) {
      throw new EnclaveError("ATTEST_FIRST", "this connection has not attested; call Attest first");
    }
  }

  /**
   * Evidence for this connection, bound to the caller's nonce and to this connection's exporter. Throws `ATTEST_NONCE`,
   * `ATTEST_LIMIT`, `ATTEST_BUSY`, `PLATFORM_FAILED`.
   */
  async attest(nonce: Uint8Array): Promise<{readonly evidence: Evidence; readonly claims: Uint8Array}> {
    const {configuration, quotes, claims, spkiSha256, events} = this.#context;
    const start = performance.now();
    if (nonce.length !== fieldBytes) {
      throw new EnclaveError("ATTEST_NONCE", `found a nonce of ${nonce.length} bytes, expected ${fieldBytes}`);
    }
    if (++this.#attests > configuration.attestsPerConnection) {
      throw new EnclaveError("ATTEST_LIMIT", `this connection asked ${this.#attests} times for evidence`);
    }
    const socket = this.#http2.socket as TLSSocket;
    const exporter = Uint8Array.from(socket.exportKeyingMaterial(fieldBytes, exporterLabel, Buffer.from(nonce)));
    const reportData = await sessionReportData({
      role: "enclave",
      spkiSha256,
      nonce,
      exporter,
      claimsSha256: await claimsDigest(claims),
    });
    const evidence = await quotes.evidence(reportData);
    if (!this.#attested && !this.#http2.destroyed) {
      this.#attested = true;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#expire(), configuration.sessionMs).unref();
      events({event: "session-attested", milliseconds: Math.round(performance.now() - start)});
    }
    return {evidence, claims};
  }

  #expire(): void {
    this.#expired = true;
    this.#context.events({event: "session-expired"});
    // No new calls; those under way may finish, within bounds.
    this.#http2.close();
    this.#timer = setTimeout(() => this.#http2.destroy(), graceMs).unref();
  }
}
