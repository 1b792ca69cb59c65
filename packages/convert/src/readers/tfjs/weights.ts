/** Weights of TensorFlow.js models: shards put together, cut by the manifest, widened where they are stored narrower. */
import {type DType, dtypes, encodeStrings, float16ToNumber, Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../../convert-error.ts";
import type {ModelFiles} from "../model-files.ts";
import type {WeightEntry, WeightGroup} from "./model-json.ts";

/** All weights by name. Throws `CONVERT_FILE_MISSING`, `CONVERT_LIMIT` and `CONVERT_TENSOR`. */
export async function readWeights(
  files: ModelFiles,
  groups: readonly WeightGroup[],
  maxBytes: number,
): Promise<ReadonlyMap<string, Tensor>> {
  const weights = new Map<string, Tensor>();
  let left = maxBytes;
  for (const group of groups) {
    const bytes = await joinShards(files, group, left);
    left -= bytes.length;
    for (const [name, tensor] of cutWeights(group, bytes)) {
      if (weights.has(name)) throw weightError(name, "is there twice", "once");
      weights.set(name, tensor);
    }
  }
  return weights;
}

async function joinShards(files: ModelFiles, {paths}: WeightGroup, maxBytes: number): Promise<Uint8Array> {
  const sizes: number[] = [];
  for (const path of paths) {
    if (!files.paths.includes(path)) {
      throw new ConvertError("CONVERT_FILE_MISSING", `the model has no file ${path}, which holds weights`, {
        details: {path},
      });
    }
    sizes.push(await files.size(path));
  }
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > maxBytes) {
    throw new ConvertError("CONVERT_LIMIT", `the weights take ${total} bytes, expected at most ${maxBytes}`);
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const [i, path] of paths.entries()) {
    bytes.set(await files.read(path, 0, sizes[i]!), at);
    at += sizes[i]!;
  }
  return bytes;
}

/** Weights lie one behind the other without gaps; nothing may be left over. */
function* cutWeights({weights, paths}: WeightGroup, bytes: Uint8Array): Generator<readonly [string, Tensor]> {
  let at = 0;
  for (const entry of weights) {
    const count = entry.shape.reduce((product, size) => product * size, 1);
    if (entry.dtype === "string") {
      const {strings, end} = cutStrings(entry, bytes, at, count);
      yield [entry.name, new Tensor("string", entry.shape, encodeStrings(strings))];
      at = end;
      continue;
    }
    const width = dtypes[entry.quantization?.dtype ?? entry.dtype].bytes!;
    const stored = bytes.subarray(at, at + count * width);
    if (stored.length !== count * width) {
      throw weightError(entry.name, `ends after ${stored.length} bytes`, `${count * width}: [${entry.shape}]`);
    }
    at += stored.length;
    yield [entry.name, widen(entry, stored, count)];
  }
  if (at !== bytes.length) {
    throw new ConvertError("CONVERT_TENSOR", `${paths.join(", ")}: ${bytes.length - at} bytes follow the last weight`);
  }
}

/** Each string after its length, 4 bytes, the lowest first. */
function cutStrings({name}: WeightEntry, bytes: Uint8Array, start: number, count: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const strings: Uint8Array[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : undefined;
    if (length === undefined || at + 4 + length > bytes.length)
      throw weightError(name, `ends in string ${i}`, `${count}`);
    strings.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return {strings, end: at};
}

function widen({name, dtype, shape, quantization}: WeightEntry, stored: Uint8Array, count: number): Tensor {
  // A copy, because views of 16 and 32 bits need an even start.
  const {buffer} = stored.slice();
  if (quantization === undefined) return new Tensor(dtype, shape, new Uint8Array(buffer));
  if (dtype !== "float32" && (dtype !== "int32" || quantization.dtype === "float16")) {
    throw weightError(name, `is ${dtype} stored as ${quantization.dtype}`, "float32 or int32");
  }
  const {scale, min} = quantization;
  const narrow = {uint8: Uint8Array, uint16: Uint16Array, float16: Uint16Array}[quantization.dtype];
  const values = new narrow(buffer);
  const value =
    quantization.dtype === "float16"
      ? (i: number) => float16ToNumber(values[i]!)
      : (i: number) => values[i]! * scale + min;
  const wide = dtype === "float32" ? new Float32Array(count) : new Int32Array(count);
  for (let i = 0; i < count; i++) wide[i] = dtype === "float32" ? value(i) : Math.round(value(i));
  return new Tensor(dtype as DType, shape, new Uint8Array(wide.buffer));
}

function weightError(name: string, found: string, expected: string): ConvertError {
  return new ConvertError("CONVERT_TENSOR", `weight "${name}" ${found}, expected ${expected}`, {details: {name}});
}
