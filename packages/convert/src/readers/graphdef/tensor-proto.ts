/** TensorProto → Tensor, by the rules of specs/convert.md §1.1. */
import {type DType, dtypes, encodeStrings, Tensor} from "@tf-trusted/tensor";
import type {Message} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {dataTypes} from "./schema.ts";

/** How many bytes constants may still take in all: a few bytes can claim a tensor of any size (a repeated value). */
export interface ConstantBudget {
  bytes: number;
}

/** Throws `CONVERT_TENSOR`, `CONVERT_LIMIT`; `node` is for messages. The data may be a view of the message's bytes. */
export function decodeTensorProto(proto: Message, node: string, budget: ConstantBudget): Tensor {
  const dtype = dataTypes[Number(proto.dtype ?? 0)];
  if (dtype === undefined || dtype === "resource" || dtype === "variant") {
    throw tensorError(node, `a constant of data type ${proto.dtype ?? 0} can't be read`);
  }
  const shape = decodeConstantShape(proto.tensor_shape as Message | undefined, node);
  const count = shape.reduce((product, size) => product * size, 1);
  const size = count * (dtypes[dtype].bytes ?? 8);
  if (!(size <= budget.bytes)) {
    throw new ConvertError("CONVERT_LIMIT", `node "${node}": a constant ${dtype} [${shape}] is too large`, {
      details: {node, shape},
    });
  }
  budget.bytes -= size;
  const content = proto.tensor_content as Uint8Array | undefined;
  if (content !== undefined && content.length > 0) return fromContent(dtype, shape, count, content, node);
  if (dtype === "string") return repeatStrings(shape, count, (proto.string_val ?? []) as Uint8Array[]);
  return fromValues(dtype, shape, count, proto);
}

function decodeConstantShape(proto: Message | undefined, node: string): number[] {
  if (proto?.unknown_rank === true) throw tensorError(node, "a constant of unknown rank");
  const dims = (proto?.dim ?? []) as Message[];
  if (dims.length > 64) throw tensorError(node, `a constant of ${dims.length} dimensions`);
  const sizes = dims.map((dim) => {
    const size = (dim.size ?? 0n) as bigint;
    if (size >= 0n && size < 2n ** 47n) return Number(size);
    throw tensorError(node, `a constant with a dimension of ${size}`);
  });
  // A dimension of 0 hides how large the others are together.
  const count = sizes.reduce((product, size) => product * Math.max(1, size), 1);
  if (!Number.isSafeInteger(count)) throw tensorError(node, `a constant of absurd shape [${sizes}]`);
  return sizes;
}

function fromContent(dtype: DType, shape: number[], count: number, content: Uint8Array, node: string): Tensor {
  if (dtype === "string") return new Tensor(dtype, shape, encodeStrings(contentStrings(content, count, node)));
  const wanted = count * dtypes[dtype].bytes!;
  if (content.length !== wanted) {
    throw tensorError(node, `the constant ${dtype} [${shape}] has ${content.length} bytes, expected ${wanted}`);
  }
  const valid = dtype === "bool" ? content.map((byte) => (byte === 0 ? 0 : 1)) : content;
  const bytes = dtype === "int4" ? valid.map((byte) => (byte << 28) >> 28) : valid;
  return new Tensor(dtype, shape, bytes);
}

/** All lengths as varints, then all bytes. */
function contentStrings(content: Uint8Array, count: number, node: string): Uint8Array[] {
  const lengths: number[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = content[at++];
      if (byte === undefined || shift > 28) throw tensorError(node, "the lengths of its strings are damaged");
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    lengths.push(length);
  }
  const strings = lengths.map((length) => {
    const part = content.subarray(at, at + length);
    if (part.length !== length) throw tensorError(node, "its strings reach past their bytes");
    at += length;
    return part;
  });
  if (at !== content.length) throw tensorError(node, "bytes follow its strings");
  return strings;
}

function repeatStrings(shape: number[], count: number, values: readonly Uint8Array[]): Tensor {
  const last = values.at(-1) ?? new Uint8Array(0);
  return new Tensor("string", shape, encodeStrings(Array.from({length: count}, (_, i) => values[i] ?? last)));
}

/** The field that holds the values of a dtype. Small integers share one; complex numbers come as pairs. */
const valueFields: Readonly<Record<Exclude<DType, "string">, string>> = {
  float16: "half_val",
  bfloat16: "half_val",
  float32: "float_val",
  float64: "double_val",
  int4: "int_val",
  int8: "int_val",
  int16: "int_val",
  int32: "int_val",
  uint8: "int_val",
  uint16: "int_val",
  int64: "int64_val",
  uint32: "uint32_val",
  uint64: "uint64_val",
  bool: "bool_val",
  complex64: "scomplex_val",
  complex128: "dcomplex_val",
};

function fromValues(dtype: Exclude<DType, "string">, shape: number[], count: number, proto: Message): Tensor {
  const values = (proto[valueFields[dtype]] ?? []) as (number | bigint | boolean)[];
  const each = dtypes[dtype].kind === "complex" ? 2 : 1;
  const data = new dtypes[dtype].array(count * each) as unknown as {
    [index: number]: number | bigint;
    fill(value: number | bigint, start: number): void;
    readonly length: number;
    readonly buffer: ArrayBuffer;
  };
  const given = Math.min(values.length, data.length);
  // Typed arrays keep the low bits of what doesn't fit, as the field's own reader does.
  for (let i = 0; i < given; i++) data[i] = element(dtype, values[i]!);
  if (given >= each && given < data.length) {
    if (each === 1) data.fill(data[given - 1]!, given);
    else for (let i = given; i < data.length; i++) data[i] = data[i - 2]!;
  }
  return new Tensor(dtype, shape, new Uint8Array(data.buffer));
}

function element(dtype: DType, value: number | bigint | boolean): number | bigint {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (dtype === "int4") return (Number(value) << 28) >> 28;
  return value;
}

function tensorError(node: string, message: string): ConvertError {
  return new ConvertError("CONVERT_TENSOR", `node "${node}": ${message}`, {details: {node}});
}
