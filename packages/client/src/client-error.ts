/** Failures as callers of the SDK see them. */
import {type AttestationErrorCode, AttestationError as EvidenceError, type Report} from "@tf-trusted/attestation";
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";
import type {EnclaveClaims} from "@tf-trusted/protocol";

export const clientErrors = {
  ADDRESS: {
    when: "The address of an enclave isn't HOST:PORT.",
    todo: "Write it as localhost:50051, 192.0.2.1:50051 or [::1]:50051.",
  },
  CONNECTION_FAILED: {
    when: "No connection to the enclave could be made.",
    todo: "Check the address, that the enclave runs, and that nothing in between takes TLS apart.",
  },
  CONNECTION_LOST: {
    when: "The connection ended during a call. Whether the call was carried out is unknown.",
    todo: "Call again: the SDK connects and verifies anew. Models have to be loaded again if the enclave was restarted.",
  },
  STATE_LOST: {
    when: "A model keeps state for a session, and the session of the calls before ended (by age, or the connection broke).",
    todo: "Begin anew: the next call finds the model as it is first. Calls that belong together fit into an hour of one connection.",
  },
  NOT_ATTESTABLE: {
    when: "The connection can't be attested: it isn't a fresh TLS 1.3 connection with HTTP/2, or gave no sound answer to Attest.",
    todo: "Check that the address is that of an enclave, and that no proxy ends TLS in between.",
  },
  CLAIMS_MISMATCH: {
    when: "The evidence is right, but the enclave's claims contradict what was seen.",
    todo: "Report this: the enclave is faulty.",
  },
  COLLATERAL_FETCH: {
    when: "A vendor's service didn't give the collateral that the evidence needs.",
    todo: "The message names the URL and its answer. Check the service and the network, or use collateral that comes with the evidence or lies in a folder.",
  },
  COLLATERAL_OFFLINE: {
    when: "Only the cache may be used, and it has no collateral for this evidence that still holds.",
    todo: "Connect once without `offline` (--offline), so that the cache is filled.",
  },
  COLLATERAL_CACHE: {
    when: "The folder of the collateral cache can't be written.",
    todo: "Check its permissions and the space that is left, or name another (--collateral-cache).",
  },
  COLLATERAL_FOLDER: {
    when: "The folder that collateral should come from has none, or a file there can't be read.",
    todo: "Put the parts there under the names that the message lists.",
  },
  PROTOCOL: {
    when: "The enclave answered in a way that the protocol doesn't have.",
    todo: "Use a client and an enclave of the same version.",
  },
  CLOSED: {
    when: "The connection was closed by `close()`.",
    todo: "Connect again.",
  },
} as const satisfies ErrorTable;

export type ClientErrorCode = keyof typeof clientErrors;

/** Failures of the connection itself. */
export class ClientError extends TfTrustedError<ClientErrorCode> {}

/** What the enclave answered: the code is that of the package where it arose (docs/errors.md), `details.todo` the advice. */
export class CallError extends TfTrustedError {}

/** The evidence was refused: nothing was sent. `report` has every step, `claims` what the other side said of itself. */
export class AttestationError extends EvidenceError {
  readonly report: Report;
  readonly claims: EnclaveClaims | undefined;

  constructor(report: Report, claims: EnclaveClaims | undefined) {
    const failed = report.steps.find(({code}) => code !== null && code === report.code);
    const facts = failed ? ` (found ${failed.found}, expected ${failed.expected})` : "";
    super(report.code as AttestationErrorCode, `${report.summary}${facts}`, {
      details: {expected: failed?.expected, found: failed?.found, step: failed?.id},
    });
    this.report = report;
    this.claims = claims;
  }
}
