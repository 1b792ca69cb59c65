/**
 * Requests and answers on the channel between the caller's process and a model's: the length of a JSON document (u32,
 * little-endian), the document, then the bytes of tensors one after the other, whose sizes the document tells.
 */
import type {Limits} from "../engine.ts";
import type {Answer, Request} from "../messages.ts";

/** What a model's process is told first. The file follows. */
export interface ProcessStart {
  readonly kind: "start";
  readonly limits: Limits;
  readonly threads: number;
  /** What it may allocate altogether. */
  readonly memoryBytes: number;
}

/** Bytes of the document at most: signatures of a model with very many tensors. */
export const maxDocumentBytes = 1 << 26;
export const lengthBytes = 4;

type WithSizes<T> = T extends {readonly inputs: unknown} | {readonly outputs: unknown} ? never : T;
export type RequestDocument =
  | (ProcessStart & {readonly sizes: readonly number[]})
  | WithSizes<Request>
  | {
      readonly kind: "run";
      readonly signature: number;
      readonly shapes: readonly (readonly number[])[];
      readonly sizes: readonly number[];
    };
export type AnswerDocument =
  | WithSizes<Answer>
  | {
      readonly kind: "outputs";
      readonly shapes: readonly (readonly number[])[];
      readonly sizes: readonly number[];
      readonly engineMs: number;
      readonly memoryBytes: number;
    };

/** The document with its length. */
export function encodeDocument(document: RequestDocument | AnswerDocument): Buffer {
  const json = Buffer.from(JSON.stringify(document, replace));
  const frame = Buffer.allocUnsafe(lengthBytes + json.length);
  frame.writeUInt32LE(json.length, 0);
  json.copy(frame, lengthBytes);
  return frame;
}

/** Throws `SyntaxError` for what isn't JSON. The document's shape is the sender's affair: see who reads it. */
export function decodeDocument(json: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(json), revive);
}

/** Numbers that JSON doesn't have: zero points are 64-bit integers, and a file may say that a scale is NaN. */
function replace(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return {$bigint: String(value)};
  if (typeof value === "number" && !Number.isFinite(value)) return {$number: String(value)};
  return value;
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("$bigint" in value && typeof value.$bigint === "string") return BigInt(value.$bigint);
  if ("$number" in value) return Number(value.$number);
  return value;
}
