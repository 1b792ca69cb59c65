/** Reading and making tensors for the reference evaluator: numbers in, numbers out, dtype rules in one place. */
import {
  bfloat16ToNumber,
  type DType,
  decodeStrings,
  dtypes,
  encodeStrings,
  float16ToNumber,
  numberToBfloat16,
  numberToFloat16,
  Tensor,
} from "@tf-trusted/tensor";
import {isKnown, isStatic} from "../ir/dims.ts";
import type {TensorType} from "../ir/graph.ts";

/** The most bytes that folding may make of smaller operands (specs/convert.md §4.10). */
export const maxFoldedBytes = 1 << 20;

export const isInt64 = (dtype: string): boolean => dtype === "int64" || dtype === "uint64";

/** The elements as numbers; 64-bit integers are rounded. Not for strings and complex numbers. */
export function numbersOf(tensor: Tensor): ArrayLike<number> {
  const data = tensor.data as ArrayLike<number | bigint>;
  if (tensor.dtype === "float16") return Float64Array.from(data as ArrayLike<number>, float16ToNumber);
  if (tensor.dtype === "bfloat16") return Float64Array.from(data as ArrayLike<number>, bfloat16ToNumber);
  if (isInt64(tensor.dtype)) return Float64Array.from(data as ArrayLike<bigint>, Number);
  return data as ArrayLike<number>;
}

/** A tensor of `count` elements; integers wrap around, floats are rounded. */
export function makeTensor(dtype: DType, shape: readonly number[], value: (index: number) => number | bigint): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const data = new dtypes[dtype].array(count) as unknown as {
    [index: number]: number | bigint;
    readonly buffer: ArrayBuffer;
  };
  if (isInt64(dtype)) {
    for (let i = 0; i < count; i++) {
      const each = value(i);
      data[i] = typeof each === "bigint" ? each : BigInt(Math.trunc(each));
    }
  } else if (dtype === "float16" || dtype === "bfloat16") {
    const encode = dtype === "float16" ? numberToFloat16 : numberToBfloat16;
    for (let i = 0; i < count; i++) data[i] = encode(Number(value(i)));
  } else {
    for (let i = 0; i < count; i++) data[i] = Number(value(i));
  }
  return new Tensor(dtype, shape, new Uint8Array(data.buffer));
}

/** A tensor whose element i is element `source(i)` of `tensor`, or 0 where that is negative; any dtype, bit by bit. */
export function gatherElements(tensor: Tensor, shape: readonly number[], source: (index: number) => number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  if (tensor.dtype === "string") {
    const strings = decodeStrings(tensor.bytes, tensor.size);
    const empty = new Uint8Array(0);
    const picked = Array.from({length: count}, (_, i) => strings[source(i)] ?? empty);
    return new Tensor("string", shape, encodeStrings(picked));
  }
  const width = dtypes[tensor.dtype].bytes!;
  const out = new Uint8Array(count * width);
  const {bytes} = tensor;
  if (width === 4 && bytes.byteOffset % 4 === 0) {
    const from = new Uint32Array(bytes.buffer, bytes.byteOffset, tensor.size);
    const to = new Uint32Array(out.buffer);
    for (let i = 0; i < count; i++) {
      const at = source(i);
      if (at >= 0) to[i] = from[at]!;
    }
  } else {
    for (let i = 0; i < count; i++) {
      const at = source(i);
      for (let b = 0; at >= 0 && b < width; b++) out[i * width + b] = bytes[at * width + b]!;
    }
  }
  return new Tensor(tensor.dtype, shape, out);
}

/** Bytes that a value of a type takes; infinity where its shape isn't known. */
export function sizeOfType({dtype, shape}: TensorType): number {
  if (!isStatic(shape)) return Number.POSITIVE_INFINITY;
  return shape.reduce((a, b) => a * b, 1) * (dtypes[dtype as DType]?.bytes ?? 8);
}

/** Bytes that a value has at least: dimensions that aren't known count as 1. */
export function leastSizeOfType({dtype, shape = []}: TensorType): number {
  return shape.filter(isKnown).reduce((a, b) => a * b, 1) * (dtypes[dtype as DType]?.bytes ?? 8);
}

/** The value of a type that tells all of its elements. */
export function valueOfType(type: TensorType): Tensor | undefined {
  if (!type.elements?.every(isKnown) || !isStatic(type.shape)) return undefined;
  const elements = type.elements as readonly number[];
  return makeTensor(type.dtype as DType, type.shape, (i) => elements[i]!);
}

/** How far apart neighbours along each dimension are. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/**
 * A function from the flat index of a result to the flat index of a source, by the source's stride for each dimension of
 * the result (0 repeats).
 */
export function indexMap(
  shape: readonly number[],
  sourceStrides: readonly number[],
  offset = 0,
): (index: number) => number {
  const strides = stridesOf(shape);
  return (index) => {
    let rest = index;
    let at = offset;
    for (let axis = 0; axis < strides.length; axis++) {
      const i = Math.floor(rest / strides[axis]!);
      rest -= i * strides[axis]!;
      at += i * sourceStrides[axis]!;
    }
    return at;
  };
}

/** Strides of a tensor of `shape` when it is broadcast to `target`. */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const strides = stridesOf(shape);
  const shift = target.length - shape.length;
  return target.map((_, axis) => (axis < shift || shape[axis - shift] === 1 ? 0 : strides[axis - shift]!));
}

/** Large ones are transposed when somebody reads them: all weights twice would be most of a conversion's memory. */
export function transposeTensor(tensor: Tensor, permutation: readonly number[]): Tensor {
  const {lazyBytes: source, dtype} = tensor;
  if (source.length < lazyFromBytes || dtype === "string") return transposeNow(tensor, permutation);
  return new Tensor(
    dtype,
    permutation.map((axis) => tensor.shape[axis]!),
    {
      length: source.length,
      source,
      how: `${dtype}[${tensor.shape}] by ${permutation}`,
      make: () => transposeNow(tensor, permutation).bytes,
    },
  );
}

const lazyFromBytes = 2 ** 20;

function transposeNow(tensor: Tensor, permutation: readonly number[]): Tensor {
  const strides = stridesOf(tensor.shape);
  const shape = permutation.map((axis) => tensor.shape[axis]!);
  if (dtypes[tensor.dtype].bytes === 4 && tensor.size > 0) {
    return transposeWords(
      tensor,
      shape,
      permutation.map((axis) => strides[axis]!),
    );
  }
  return gatherElements(
    tensor,
    shape,
    indexMap(
      shape,
      permutation.map((axis) => strides[axis]!),
    ),
  );
}

/** Weights are large, and moving them is most of a conversion: without a function call an element, and by tiles. */
function transposeWords({dtype, bytes, size}: Tensor, shape: readonly number[], strides: readonly number[]): Tensor {
  // A view of a file may begin anywhere.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const from = new Uint32Array(aligned.buffer, aligned.byteOffset, size);
  const to = new Uint32Array(size);
  const axes = mergeAxes(shape, strides);
  const last = axes.pop() ?? {size: 1, from: 1, to: 1};
  // Reading along one axis and writing along another, whole lines of memory are used only within a tile of both.
  const near = axes.findIndex((axis) => axis.from < last.from && axis.from === 1);
  const other = near < 0 ? {size: 1, from: 0, to: 0} : axes.splice(near, 1)[0]!;
  eachOffset(axes, (source, target) => {
    for (let row = 0; row < other.size; row += tile) {
      const rowEnd = Math.min(row + tile, other.size);
      for (let column = 0; column < last.size; column += tile) {
        const count = Math.min(tile, last.size - column);
        for (let r = row; r < rowEnd; r++) {
          let at = source + r * other.from + column * last.from;
          const start = target + r * other.to + column;
          for (let i = start; i < start + count; i++, at += last.from) to[i] = from[at]!;
        }
      }
    }
  });
  return new Tensor(dtype, shape, new Uint8Array(to.buffer));
}

const tile = 64;

/** An axis of a result: its size, and the strides in the source and in the result. */
interface MovedAxis {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** Axes that follow each other in source and result are one; those of size 1 are none. */
function mergeAxes(shape: readonly number[], strides: readonly number[]): MovedAxis[] {
  const own = stridesOf(shape);
  const merged: MovedAxis[] = [];
  shape.forEach((size, i) => {
    const before = merged.at(-1);
    if (size === 1) return;
    if (before !== undefined && before.from === strides[i]! * size) merged.pop();
    const joined = before !== undefined && before.from === strides[i]! * size ? before.size * size : size;
    merged.push({size: joined, from: strides[i]!, to: own[i]!});
  });
  return merged;
}

/** Calls for each combination of indices with where it is in the source and in the result. */
function eachOffset(axes: readonly MovedAxis[], visit: (source: number, target: number) => void): void {
  const step = (axis: number, source: number, target: number): void => {
    const at = axes[axis];
    if (at === undefined) visit(source, target);
    else for (let i = 0; i < at.size; i++) step(axis + 1, source + i * at.from, target + i * at.to);
  };
  step(0, 0, 0);
}

/** A tensor of 32-bit integers: shapes, axes, sizes. */
export function int32Tensor(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return new Tensor("int32", shape, new Uint8Array(Int32Array.from(values).buffer));
}

/** The values of a float32 tensor; a copy, which nothing keeps, where its bytes lie anyhow in a file. */
export function alignedFloats({bytes, size}: Tensor): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, size);
}

/** Takes a Float32Array over; its values may not change any more. */
export function float32Tensor(values: ArrayLike<number>, shape: readonly number[] = [values.length]): Tensor {
  const {buffer, byteOffset, byteLength} = values instanceof Float32Array ? values : Float32Array.from(values);
  return new Tensor("float32", shape, new Uint8Array(buffer, byteOffset, byteLength));
}

/** A tensor of another numeric dtype, as a cast in TensorFlow: to integers the fraction is cut off and bits wrap. */
export function castTensor(tensor: Tensor, dtype: DType): Tensor | undefined {
  if (tensor.dtype === dtype) return tensor;
  const kinds = [dtypes[tensor.dtype].kind, dtypes[dtype].kind];
  if (kinds.includes("string") || kinds.includes("complex")) return undefined;
  if (dtype === "bool") {
    const values = numbersOf(tensor);
    return makeTensor("bool", tensor.shape, (i) => (values[i] !== 0 ? 1 : 0));
  }
  if (isInt64(tensor.dtype) && dtypes[dtype].kind !== "float") {
    const data = tensor.data as BigInt64Array;
    return makeTensor(dtype, tensor.shape, (i) => (isInt64(dtype) ? data[i]! : Number(BigInt.asIntN(32, data[i]!))));
  }
  const values = numbersOf(tensor);
  const toInteger = dtypes[dtype].kind !== "float" && dtypes[tensor.dtype].kind === "float";
  // What doesn't fit is different on every machine: leave it to the run time.
  if (toInteger) for (let i = 0; i < tensor.size; i++) if (!(Math.abs(values[i]!) < 2 ** 31)) return undefined;
  return makeTensor(dtype, tensor.shape, (i) => (toInteger ? Math.trunc(values[i]!) : values[i]!));
}
