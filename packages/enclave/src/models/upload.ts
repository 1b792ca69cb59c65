/** Receiving a model: declared size and digest first, then chunks; nothing is kept that doesn't match. */
import {createHash} from "node:crypto";
import {encodeHex, equalBytes} from "@tf-trusted/core";
import type {UploadModelRequest} from "@tf-trusted/protocol";
import {ceilings} from "../configuration.ts";
import {EnclaveError} from "../enclave-error.ts";

/** What an upload declares. */
export interface UploadStart {
  readonly name: string;
  readonly size: number;
  readonly sha256: Uint8Array;
  /** Cores for a call; 0 where the caller says nothing. */
  readonly threads: number;
  /** Rows of calls that are joined; 0 where the caller says nothing. */
  readonly maxBatch: number;
  /** Milliseconds that a call waits for others; only beside `maxBatch`. */
  readonly maxDelayMs: number;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The first message. Throws `UPLOAD_ORDER`, `MODEL_NAME`, `UPLOAD_SIZE`, `UPLOAD_DIGEST`, `MODEL_BATCH`. */
export function parseStart(message: UploadModelRequest | undefined, maxBytes: number): UploadStart {
  if (message?.part.case !== "start") {
    throw new EnclaveError("UPLOAD_ORDER", `found ${message?.part.case ?? "nothing"}, expected start first`);
  }
  const {name, size, sha256, threads, maxBatch, maxDelayMs} = message.part.value;
  checkModelName(name);
  if (size < 1n || size > BigInt(maxBytes)) {
    throw new EnclaveError("UPLOAD_SIZE", `the declared size is ${size} bytes, expected 1 to ${maxBytes}`);
  }
  if (sha256.length !== 32) {
    throw new EnclaveError("UPLOAD_DIGEST", `the declared SHA-256 has ${sha256.length} bytes, expected 32`);
  }
  if (maxBatch > ceilings.maxBatch! || maxDelayMs > ceilings.maxDelayMs!) {
    throw new EnclaveError(
      "MODEL_BATCH",
      `found batches of ${maxBatch} rows and ${maxDelayMs} ms, expected up to ${ceilings.maxBatch} and ${ceilings.maxDelayMs}`,
    );
  }
  return {name, size: Number(size), sha256, threads, maxBatch, maxDelayMs};
}

/** Throws `MODEL_NAME`. */
export function checkModelName(name: string): void {
  if (namePattern.test(name)) return;
  throw new EnclaveError(
    "MODEL_NAME",
    `found a name of ${name.length} characters that doesn't fit ${namePattern.source}`,
  );
}

/** The chunks, as one file in memory that workers can share. Throws `UPLOAD_ORDER`, `UPLOAD_SIZE`, `UPLOAD_DIGEST`. */
export async function receiveChunks(
  {size, sha256}: UploadStart,
  messages: AsyncIterator<UploadModelRequest>,
): Promise<Uint8Array> {
  const file = new Uint8Array(new SharedArrayBuffer(size));
  const hash = createHash("sha256");
  let received = 0;
  for (;;) {
    const next = await messages.next();
    if (next.done) break;
    const {part} = next.value;
    if (part.case !== "chunk") {
      throw new EnclaveError("UPLOAD_ORDER", `found ${part.case ?? "an empty message"} after start, expected chunks`);
    }
    if (received + part.value.length > size) {
      throw new EnclaveError("UPLOAD_SIZE", `more than the declared ${size} bytes came`);
    }
    file.set(part.value, received);
    hash.update(part.value);
    received += part.value.length;
  }
  if (received !== size) throw new EnclaveError("UPLOAD_SIZE", `${received} bytes came, ${size} were declared`);
  const found = hash.digest();
  if (!equalBytes(found, sha256)) {
    throw new EnclaveError(
      "UPLOAD_DIGEST",
      `the file has SHA-256 ${encodeHex(found)}, declared was ${encodeHex(sha256)}`,
    );
  }
  return file;
}
