/** zlib streams (RFC 1950) of known size, as HDF5 stores its chunks. */
import {Inflate} from "fflate";
import {TensorError} from "./errors.ts";

/** Compressed bytes that are inflated in one step: bounds what a lying stream can make us inflate beyond its size. */
const inflateStep = 16 * 1024;
const headerLength = 2;
const checksumLength = 4;

/** Inflates to exactly `size` bytes and checks them. Throws `ZLIB_CORRUPT`; never makes more than `size` bytes and a step. */
export function inflateZlib(data: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const isZlib = data.length >= headerLength + checksumLength && (data[0]! & 0x0f) === 8 && (data[1]! & 0x20) === 0;
  if (!isZlib || ((data[0]! << 8) | data[1]!) % 31 !== 0) throw corrupt("no header of zlib");
  const deflated = data.subarray(headerLength, data.length - checksumLength);
  const out = new Uint8Array(size);
  let length = 0;
  const stream = new Inflate((chunk) => {
    if (length + chunk.length > size) throw corrupt(`more than the ${size} bytes expected`);
    out.set(chunk, length);
    length += chunk.length;
  });
  try {
    for (let start = 0; start < deflated.length; start += inflateStep) {
      stream.push(deflated.subarray(start, start + inflateStep), start + inflateStep >= deflated.length);
    }
  } catch (cause) {
    if (cause instanceof TensorError) throw cause;
    throw corrupt("can't be decompressed", cause);
  }
  if (length !== size) throw corrupt(`${length} bytes, expected ${size}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (adler32(out) !== view.getUint32(data.length - checksumLength)) throw corrupt("the checksum differs");
  return out;
}

/** RFC 1950 §8.2; 5552 bytes is as far as the sums stay below 2^32. */
function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (let start = 0; start < bytes.length; start += 5552) {
    const end = Math.min(start + 5552, bytes.length);
    for (let i = start; i < end; i++) {
      a += bytes[i]!;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}

function corrupt(message: string, cause?: unknown): TensorError {
  return new TensorError("ZLIB_CORRUPT", `zlib stream: ${message}`, {cause});
}
