/**
 * Messages on a gRPC stream (gRPC over HTTP/2, "Length-Prefixed-Message": flag, length, bytes), with few copies: a reader
 * that can keep its buffer for the next message, and an encoder that passes the elements of large tensors as they are.
 */
import {type DescMessage, type MessageShape, toBinary} from "@bufbuild/protobuf";
import {BinaryWriter, WireType} from "@bufbuild/protobuf/wire";
import {concatBytes} from "@tf-trusted/core";
import {
  type PredictRequest,
  PredictRequestSchema,
  type PredictResponse,
  PredictResponseSchema,
} from "./gen/tf_trusted/v1/prediction_pb.ts";
import {type NamedTensor, NamedTensorSchema} from "./gen/tf_trusted/v1/tensor_pb.ts";
import {ProtocolError} from "./protocol-error.ts";

const headBytes = 5;
/** Where a buffer begins; it grows with what arrived, not with what a peer announces. */
const firstBytes = 64 * 2 ** 10;
/** Shorter messages are written in one piece, as one TLS record; elements of shorter tensors aren't worth a piece. */
const onePieceBytes = 16 * 2 ** 10;

export interface FrameReaderOptions {
  /** Of one message. */
  readonly maxBytes: number;
  /** Called before memory is taken, and with a negative number when it is given back. May throw. */
  readonly onMemory?: (bytes: number) => void;
}

/** Puts one message after the other together from chunks of any size. */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #head = new Uint8Array(headBytes);
  #headFilled = 0;
  #buffer = new Uint8Array(0);
  #filled = 0;
  #length = 0;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** Whether a message was begun, and isn't whole. */
  get partial(): boolean {
    return this.#headFilled > 0 && !this.#whole;
  }

  /** Bytes of memory that it holds. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /**
   * The message, once it is whole: a view of the buffer, which stays as it is until `next`. Until then `feed` takes nothing.
   */
  get message(): Uint8Array<ArrayBuffer> | undefined {
    return this.#whole ? this.#buffer.subarray(0, this.#length) : undefined;
  }

  /**
   * Takes bytes up to the end of one message and gives their number. Throws `MESSAGE_INVALID` for compressed messages (none
   * are agreed on), `MESSAGE_SIZE` for one that is too long, and what `onMemory` throws.
   */
  feed(chunk: Uint8Array): number {
    if (this.#whole) return 0;
    let used = 0;
    if (this.#headFilled < headBytes) {
      used = Math.min(chunk.length, headBytes - this.#headFilled);
      this.#head.set(chunk.subarray(0, used), this.#headFilled);
      this.#headFilled += used;
      if (this.#headFilled < headBytes) return used;
      this.#length = this.#parseHead();
    }
    const count = Math.min(chunk.length - used, this.#length - this.#filled);
    this.#reserve(this.#filled + count);
    this.#buffer.set(chunk.subarray(used, used + count), this.#filled);
    this.#filled += count;
    return used + count;
  }

  /** Makes ready for the next message. The buffer is kept, with zeros where the message was. */
  next(): void {
    this.#buffer.fill(0, 0, this.#filled);
    this.#headFilled = this.#filled = this.#length = 0;
  }

  /** The same, but memory goes to the garbage collector; with `keepBytes` the bytes stay as they are for whoever has a view. */
  release({keepBytes = false} = {}): void {
    if (!keepBytes) this.#buffer.fill(0, 0, this.#filled);
    this.#options.onMemory?.(-this.#buffer.length);
    this.#buffer = new Uint8Array(0);
    this.#headFilled = this.#filled = this.#length = 0;
  }

  get #whole(): boolean {
    return this.#headFilled === headBytes && this.#filled === this.#length;
  }

  #parseHead(): number {
    if (this.#head[0] !== 0) {
      throw new ProtocolError("MESSAGE_INVALID", `found the flag ${this.#head[0]}, expected 0 (not compressed)`);
    }
    const length = new DataView(this.#head.buffer).getUint32(1);
    const {maxBytes} = this.#options;
    if (length > maxBytes) {
      throw new ProtocolError("MESSAGE_SIZE", `a message of ${length} bytes, expected at most ${maxBytes}`);
    }
    return length;
  }

  #reserve(bytes: number): void {
    const {length} = this.#buffer;
    if (bytes <= length) return;
    const wanted = Math.min(this.#length, Math.max(firstBytes, bytes, 2 * length));
    this.#options.onMemory?.(wanted - length);
    const grown = new Uint8Array(wanted);
    grown.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer.fill(0, 0, this.#filled);
    this.#buffer = grown;
  }
}

/** A request as a message with its prefix, in pieces to be written one after the other; elements are views of the tensors. */
export function framePredictRequest({inputs, ...rest}: PredictRequest): Uint8Array[] {
  return frame(PredictRequestSchema, {...rest, inputs: []}, PredictRequestSchema.field.inputs.number, inputs);
}

/** The same for an answer. */
export function framePredictResponse({outputs, ...rest}: PredictResponse): Uint8Array[] {
  return frame(PredictResponseSchema, {...rest, outputs: []}, PredictResponseSchema.field.outputs.number, outputs);
}

/** Fields of a message may stand in any order (protobuf, "Encoding"): the tensors come last. */
function frame<D extends DescMessage>(
  schema: D,
  withoutTensors: MessageShape<D>,
  field: number,
  tensors: readonly NamedTensor[],
): Uint8Array[] {
  const pieces: Uint8Array[] = [new Uint8Array(headBytes), toBinary(schema, withoutTensors)];
  for (const tensor of tensors) pieces.push(...encodeTensor(field, tensor));
  const total = pieces.reduce((sum, {length}) => sum + length, 0);
  const length = total - headBytes;
  if (length > 0xffff_ffff) {
    throw new ProtocolError("MESSAGE_SIZE", `a message of ${length} bytes, expected less than 4 GB`);
  }
  new DataView(pieces[0]!.buffer).setUint32(1, length);
  return joinSmall(pieces);
}

/** Each piece costs a write of its own; the copy of a small one costs less. */
function joinSmall(pieces: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    if (bytes + piece.length <= onePieceBytes) {
      small.push(piece);
      bytes += piece.length;
      continue;
    }
    if (bytes > 0) joined.push(concatBytes(...small));
    [small, bytes] = [[], 0];
    if (piece.length > onePieceBytes) joined.push(piece);
    else [small, bytes] = [[piece], piece.length];
  }
  if (bytes > 0) joined.push(concatBytes(...small));
  return joined;
}

function encodeTensor(field: number, tensor: NamedTensor): Uint8Array[] {
  const {data} = tensor;
  const outer = new BinaryWriter().tag(field, WireType.LengthDelimited);
  if (data.length < onePieceBytes) return [outer.bytes(toBinary(NamedTensorSchema, tensor)).finish()];
  const inner = new BinaryWriter()
    .raw(toBinary(NamedTensorSchema, {...tensor, data: new Uint8Array(0)}))
    .tag(NamedTensorSchema.field.data.number, WireType.LengthDelimited)
    .uint32(data.length)
    .finish();
  return [
    outer
      .uint32(inner.length + data.length)
      .raw(inner)
      .finish(),
    data,
  ];
}
