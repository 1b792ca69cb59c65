/** LiteRT's buffers over memory that JavaScript sees, for tensors of fixed shapes (specs/litert.md §2.2, §2.5, §4). */
import {stringType} from "../element-types.ts";
import type {FixedTensor} from "../instance.ts";
import {LitertError} from "../litert-error.ts";
import {check, type Native, type Out, type Pointer} from "./binding.ts";
import type {Memory} from "./memory.ts";

export interface BufferMaker {
  readonly native: Native;
  readonly memory: Memory;
  readonly environment: Pointer;
}

/** A tensor's buffer. */
export interface GivenBuffer {
  readonly buffer: Pointer;
  /** Gives it back with the memory that was made for it, overwritten. */
  readonly release: () => void;
}

/** One with room of its own. */
export interface TensorBuffer extends GivenBuffer {
  /** Valid until `release`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** `LiteRtRankedTensorType`: element type, then a layout. */
const typeBytes = 72;
const hostMemory = 1;
const readWrite = 2;

/** Room for a tensor of `size` bytes. Throws `OUT_OF_MEMORY`, `ENGINE_ERROR`. */
export function makeRoom(maker: BufferMaker, tensor: FixedTensor, size: number): TensorBuffer {
  return isString(tensor) ? managedBuffer(maker, tensor, size) : ownBuffer(maker, tensor, size);
}

/** A buffer that holds `bytes`: over their own memory where LiteRT takes that. Throws `OUT_OF_MEMORY`, `ENGINE_ERROR`. */
export function giveBytes(maker: BufferMaker, tensor: FixedTensor, bytes: Uint8Array): GivenBuffer {
  const place = isString(tensor) ? undefined : maker.memory.place(bytes);
  if (place !== undefined) {
    const buffer = hostBuffer(maker, tensor, place, bytes.length);
    return {buffer, release: () => maker.native.litert.DestroyTensorBuffer(buffer)};
  }
  const room = makeRoom(maker, tensor, bytes.length);
  room.bytes.set(bytes);
  return room;
}

export function isString({type}: FixedTensor): boolean {
  return type.code === stringType.code;
}

/** Strings that come out are mostly ones that went in; how long others may be, nothing tells. */
const ownStringBytes = 1 << 16;
const maxStringBytes = 1 << 26;

/** Bytes to keep ready for an output of strings. */
export function stringRoom(tensor: FixedTensor, givenBytes: number): number {
  const count = countOf(tensor);
  return Math.min(maxStringBytes, 4 * (count + 2) + count * Math.max(givenBytes, ownStringBytes));
}

/** The packing begins with the count and offsets; the last offset is its length. Throws `ENGINE_ERROR`. */
export function packedStrings(tensor: FixedTensor, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const count = countOf(tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = bytes.length < 4 * (count + 2) ? -1 : view.getInt32(0, true);
  const length = found === count ? view.getInt32(4 + 4 * count, true) : -1;
  if (length < 0 || length > bytes.length) {
    throw new LitertError("ENGINE_ERROR", `output "${tensor.name}" isn't ${count} packed strings`);
  }
  return bytes.subarray(0, length);
}

function ownBuffer(maker: BufferMaker, tensor: FixedTensor, size: number): TensorBuffer {
  const {memory, native} = maker;
  const block = memory.allocate(size);
  try {
    const buffer = hostBuffer(maker, tensor, block.pointer, size);
    return {
      buffer,
      bytes: block.bytes,
      release: () => {
        native.litert.DestroyTensorBuffer(buffer);
        memory.free(block);
      },
    };
  } catch (error) {
    memory.free(block);
    throw error;
  }
}

function hostBuffer({native}: BufferMaker, tensor: FixedTensor, place: Pointer, size: number): Pointer {
  const out: Out = [null];
  const type = rankedType(tensor);
  check(native.litert.CreateTensorBufferFromHostMemory(type, place, size, null, out), `giving "${tensor.name}"`);
  return out[0]!;
}

/** Strings have no size that follows from their shape, so LiteRT takes only buffers that it made itself. */
function managedBuffer({native, environment}: BufferMaker, tensor: FixedTensor, size: number): TensorBuffer {
  const {litert} = native;
  const out: Out = [null];
  const doing = `giving "${tensor.name}"`;
  check(litert.CreateManagedTensorBuffer(environment, hostMemory, rankedType(tensor), size, out), doing);
  const buffer = out[0]!;
  const place: Out = [null];
  check(litert.LockTensorBuffer(buffer, place, readWrite), doing);
  const bytes = native.view(place[0]!, size);
  bytes.fill(0);
  check(litert.UnlockTensorBuffer(buffer), doing);
  return {
    buffer,
    bytes,
    release: () => {
      bytes.fill(0);
      litert.DestroyTensorBuffer(buffer);
    },
  };
}

function rankedType({type, dims}: FixedTensor): Uint8Array {
  const view = new DataView(new ArrayBuffer(typeBytes));
  view.setInt32(0, type.code, true);
  view.setUint32(4, dims.length, true);
  dims.forEach((dim, axis) => {
    view.setInt32(8 + 4 * axis, dim, true);
  });
  return new Uint8Array(view.buffer);
}

function countOf({dims}: FixedTensor): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
