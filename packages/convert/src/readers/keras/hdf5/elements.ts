/** Elements of attributes and datasets: bytes of a datatype → numbers and strings of ours. */
import {ByteReader} from "@tf-trusted/core";
import {Tensor} from "@tf-trusted/tensor";
import {damaged, decodeText, readAddress, unsupported, untilZero} from "./cursor.ts";
import type {Datatype} from "./datatype.ts";
import type {GlobalHeaps} from "./heaps.ts";

const space = 0x20;

/** A tensor over the bytes, which are copied only where their order has to be turned. */
export function tensorOf(type: Datatype, shape: readonly number[], bytes: Uint8Array, declared?: string): Tensor {
  if (type.kind === "opaque" && type.size === 2 && declared === "bfloat16") return new Tensor("bfloat16", shape, bytes);
  if (type.kind !== "number") throw unsupported(`a dataset of ${type.kind === "opaque" ? "untyped bytes" : "strings"}`);
  const {dtype, size} = type;
  return new Tensor(dtype, shape, type.bigEndian && size > 1 ? swapped(bytes, size) : bytes);
}

/** Strings of `count` elements. Throws `CONVERT_HDF5` where they aren't strings. */
export function stringsOf(type: Datatype, count: number, bytes: Uint8Array, heaps: GlobalHeaps): readonly string[] {
  const reader = new ByteReader(bytes, "strings");
  return Array.from({length: count}, () => {
    if (type.kind === "text") {
      const length = reader.u32le();
      const address = readAddress(reader);
      const index = reader.u32le();
      if (length === 0) return "";
      const object = heaps.object(address, index);
      if (object.length < length) throw damaged(`a string of ${length} bytes in an object of ${object.length}`);
      return decodeText(untilZero(object.subarray(0, length)), "a string in the HDF5 file");
    }
    if (type.kind !== "string") throw damaged("numbers where strings are expected");
    const cell = reader.take(type.size);
    return decodeText(type.padding === "space" ? untilSpaces(cell) : untilZero(cell), "a string in the HDF5 file");
  });
}

function untilSpaces(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === space) end--;
  return bytes.subarray(0, end);
}

function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const out = bytes.slice();
  for (let start = 0; start < out.length; start += size) out.subarray(start, start + size).reverse();
  return out;
}
