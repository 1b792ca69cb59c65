/** Bytes of a model's process → answers, strictly: sizes before allocation, known kinds and codes only. */
import type {Limits} from "../engine.ts";
import {type LitertErrorCode, litertErrors} from "../litert-error.ts";
import type {Answer, Output} from "../messages.ts";
import {decodeDocument, lengthBytes, maxDocumentBytes} from "./frames.ts";

const maxRank = 8;
const maxMessage = 10_000;

export class AnswerReader {
  readonly #limits: Limits;
  readonly #onAnswer: (answer: Answer) => void;
  /** What is being filled, and where the next byte goes. */
  #target: Uint8Array<ArrayBuffer> = new Uint8Array(lengthBytes);
  #filled = 0;
  #next: () => void = () => this.#readLength();
  #outputs: readonly Output[] = [];
  #engineMs = 0;
  #memoryBytes = 0;

  constructor(limits: Limits, onAnswer: (answer: Answer) => void) {
    this.#limits = limits;
    this.#onAnswer = onAnswer;
  }

  /** Throws `TypeError` and `SyntaxError` for what isn't an answer; nothing may be pushed after that. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + this.#target.length - this.#filled);
      this.#target.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#target.length) this.#next();
    }
  }

  #expect(target: Uint8Array<ArrayBuffer>, next: () => void): void {
    this.#target = target;
    this.#filled = 0;
    this.#next = next;
    if (target.length === 0) next();
  }

  #readLength(): void {
    const length = new DataView(this.#target.buffer).getUint32(0, true);
    if (length < 2 || length > maxDocumentBytes) throw new TypeError(`a document of ${length} bytes`);
    this.#expect(new Uint8Array(length), () => this.#readDocument());
  }

  #readDocument(): void {
    const document = decodeDocument(this.#target);
    if (!isRecord(document)) throw new TypeError("not an object");
    if (document.kind !== "outputs") {
      this.#finish(parseAnswer(document));
      return;
    }
    const {shapes, sizes, engineMs, memoryBytes} = document;
    if (!isCount(memoryBytes)) throw new TypeError("memory");
    if (typeof engineMs !== "number" || !Array.isArray(shapes) || !Array.isArray(sizes)) throw new TypeError("outputs");
    if (shapes.length !== sizes.length || !sizes.every(isCount) || !shapes.every(isShape)) throw new TypeError("sizes");
    const total = sizes.reduce((sum: number, size: number) => sum + size, 0);
    if (total > this.#limits.maxTensorBytes) throw new TypeError(`outputs of ${total} bytes`);
    this.#engineMs = engineMs;
    this.#memoryBytes = memoryBytes;
    this.#outputs = sizes.map((size: number, at) => ({shape: shapes[at] as number[], bytes: new Uint8Array(size)}));
    this.#readOutput(0);
  }

  #readOutput(index: number): void {
    const output = this.#outputs[index];
    if (output !== undefined) {
      this.#expect(output.bytes, () => this.#readOutput(index + 1));
      return;
    }
    const [engineMs, memoryBytes] = [this.#engineMs, this.#memoryBytes];
    this.#finish({kind: "outputs", outputs: this.#outputs, engineMs, inputs: [], memoryBytes});
  }

  #finish(answer: Answer): void {
    this.#outputs = [];
    this.#expect(new Uint8Array(lengthBytes), () => this.#readLength());
    this.#onAnswer(answer);
  }
}

function parseAnswer(document: Readonly<Record<string, unknown>>): Answer {
  switch (document.kind) {
    case "done":
      if (!isCount(document.memoryBytes)) throw new TypeError("memory");
      return {kind: "done", memoryBytes: document.memoryBytes};
    case "admitted":
      // Said before the library saw the file, by our own code in a fresh process.
      if (!Array.isArray(document.signatures)) throw new TypeError("no signatures");
      return {kind: "admitted", signatures: document.signatures};
    case "failed": {
      const {error} = document;
      if (!isRecord(error) || typeof error.message !== "string" || !isRecord(error.details))
        throw new TypeError("error");
      if (typeof error.code !== "string" || !Object.hasOwn(litertErrors, error.code)) throw new TypeError("error code");
      const {code, message, details} = error;
      return {kind: "failed", error: {code: code as LitertErrorCode, message: message.slice(0, maxMessage), details}};
    }
    default:
      throw new TypeError("an answer of no known kind");
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isShape(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= maxRank && value.every(isCount);
}
