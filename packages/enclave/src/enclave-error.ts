/** Failures of the enclave and of its launcher. */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";

export const enclaveErrors = {
  ATTEST_FIRST: {
    when: "A method was called on a connection that has not attested.",
    todo: "Call AttestationService.Attest on this connection and verify its answer; the SDK does so by itself.",
  },
  ATTEST_NONCE: {
    when: "The nonce of an Attest call hasn't 32 bytes.",
    todo: "Send 32 fresh random bytes.",
  },
  ATTEST_LIMIT: {
    when: "A connection asked for evidence more often than it may.",
    todo: "Open another connection; each needs evidence once.",
  },
  ATTEST_BUSY: {
    when: "More evidence is asked for than the platform makes.",
    todo: "Try again in a second.",
  },
  SESSION_EXPIRED: {
    when: "The session is older than it may become.",
    todo: "Connect and attest again; the SDK does so by itself.",
  },
  PLATFORM_FAILED: {
    when: "The platform gave no evidence.",
    todo: "Look at the launcher's log; on hardware, check that the quoting service runs.",
  },
  PLATFORM_MISSING: {
    when: "The TEE that was asked for isn't here, or none is.",
    todo: "Start it where the message says; --platform simulated runs without one, for development only.",
  },
  PLATFORM_UNSAFE: {
    when: "The TEE is here, but was started so that it protects nothing: debugging, insecure keys, missing or opening flags.",
    todo: "Start it as docs/gramine.md, docs/tdx.md or docs/snp.md says; the message names what is wrong.",
  },
  SEALING_MISSING: {
    when: "A sealing key was asked for on a platform that has none.",
    todo: "Keep models in memory there, and push them again after a restart.",
  },
  STOPPING: {
    when: "The enclave is shutting down.",
    todo: "Connect again once it was restarted.",
  },
  MODEL_UNKNOWN: {
    when: "No model of this name is loaded.",
    todo: "Upload it; a restarted enclave has none. `list` shows the names there are.",
  },
  MODEL_NAME: {
    when: "The name of a model isn't 1 to 128 of A-Z a-z 0-9 . _ -, beginning with a letter or digit.",
    todo: "Choose another name.",
  },
  MODEL_SIGNATURE: {
    when: "A call names no signature, or one that the model hasn't.",
    todo: "Name one of the signatures that the message lists.",
  },
  MODEL_BATCH: {
    when: "Batches were asked for, of a model whose rows aren't proven to be computed apart, or larger than is allowed.",
    todo: "The message names the operator or tensor. Load the model without, or with the batch as the only open dimension, the first.",
  },
  MODEL_BUDGET: {
    when: "There is no room for another model in the enclave's memory.",
    todo: "Delete a model, or start the enclave with a larger budget.",
  },
  MODEL_BUSY: {
    when: "As many calls as may wait for a model's workers wait already.",
    todo: "Try again in a moment, or send fewer calls at once.",
  },
  UPLOAD_ORDER: {
    when: "An upload doesn't begin with `start`, or has a second one.",
    todo: "Send name, size and SHA-256 first, then the file in chunks.",
  },
  UPLOAD_SIZE: {
    when: "An upload has another size than it declared, or a larger one than allowed.",
    todo: "Declare the size of the file; split models that are too large.",
  },
  UPLOAD_DIGEST: {
    when: "The bytes of an upload don't have the SHA-256 that was declared.",
    todo: "Upload again; if it happens twice, the file changes while it is read.",
  },
  CONFIGURATION: {
    when: "The enclave's configuration has a value that can't be used.",
    todo: "The message names the member and what it takes.",
  },
  ARTEFACT_INVALID: {
    when: "The enclave's artefact or its manifest can't be read.",
    todo: "Build it again: npm run artefact -w packages/enclave.",
  },
  ENGINE_MISSING: {
    when: "The native engine was asked for where it isn't installed or can't be isolated.",
    todo: "`tf-trusted engine install native`, or take the wasm engine, which is always there.",
  },
  NODE_MISSING: {
    when: "The pinned Node.js of the enclave isn't installed for this platform.",
    todo: "Install with optional dependencies on Linux x64 or arm64: npm install --include=optional.",
  },
  SIGSTRUCT_FORMAT: {
    when: "A file isn't a SIGSTRUCT, or has a field that no CPU would accept.",
    todo: "Give the .sig file that gramine-sgx-sign wrote, 1808 bytes.",
  },
  SIGSTRUCT_SIGNATURE: {
    when: "A SIGSTRUCT isn't signed by the key that it holds.",
    todo: "Don't use its measurement; get the file again from whoever signed it.",
  },
  SIGSTRUCT_DEBUG: {
    when: "A SIGSTRUCT allows an enclave that the host may debug, and so read.",
    todo: "Sign again with sgx.debug = false.",
  },
  GRAMINE_MANIFEST: {
    when: "A Gramine manifest can't be read, or lacks what a measurement needs.",
    todo: "Give the .manifest.sgx file that gramine-sgx-sign wrote; the message names the line or key.",
  },
  GRAMINE_UNSAFE: {
    when: "A Gramine manifest has settings with which the enclave protects nothing.",
    todo: "Make it anew with deploy/gramine/build.mjs; the message lists every key.",
  },
  GRAMINE_MISMATCH: {
    when: "A SIGSTRUCT signs another MRENCLAVE than the manifest and the loader give.",
    todo: "Give the files of one build, and --gramine-version of the loader; else don't trust who signed.",
  },
  GRAMINE_LAYOUT: {
    when: "Gramine's loader isn't laid out as the release that was named.",
    todo: "Give sgx/libpal.so of the same release as --gramine-version.",
  },
  FIRMWARE_FORMAT: {
    when: "A guest's firmware isn't an image whose launch can be measured, or lacks a part that was asked for.",
    todo: "Give the firmware that the guest boots: AMD's variant of OVMF for SNP, TDVF for TDX.",
  },
  LAUNCH_FAILED: {
    when: "The enclave's process ended, or said nothing, before it was ready.",
    todo: "The message has its last words; check memory and that the address is free.",
  },
} as const satisfies ErrorTable;

export type EnclaveErrorCode = keyof typeof enclaveErrors;

/** What the enclave refuses, and how starting it fails. */
export class EnclaveError extends TfTrustedError<EnclaveErrorCode> {}
