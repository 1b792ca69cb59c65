/** Writes frozen GraphDefs (tensorflow/core/framework/graph.proto), so that benchmarks make their own models. */
import {concatBytes} from "@tf-trusted/core";

/** `tensorflow.DataType` of the dtypes that the generated graphs use. */
const DT_FLOAT = 1;
const DT_INT32 = 3;

export type Attribute =
  | {readonly type: number}
  | {readonly float: number}
  | {readonly bool: boolean}
  | {readonly text: string}
  | {readonly ints: readonly number[]}
  | {readonly shape: readonly number[]}
  | {readonly tensor: Uint8Array};

/** Collects nodes in order; each method returns the name of the node that it added. */
export class GraphDefWriter {
  readonly #nodes: Uint8Array[] = [];

  /** A float32 placeholder; -1 is an unknown dimension. */
  placeholder(name: string, shape: readonly number[]): string {
    return this.node(name, "Placeholder", [], {dtype: {type: DT_FLOAT}, shape: {shape}});
  }

  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): string {
    const type = values instanceof Float32Array ? DT_FLOAT : DT_INT32;
    const content = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const tensor = concatBytes(varintField(1, type), messageField(2, encodeShape(shape)), messageField(4, content));
    return this.node(name, "Const", [], {dtype: {type}, value: {tensor}});
  }

  node(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const fields = [messageField(1, utf8(name)), messageField(2, utf8(op))];
    for (const input of inputs) fields.push(messageField(3, utf8(input)));
    for (const [key, value] of Object.entries(attributes)) {
      fields.push(messageField(5, concatBytes(messageField(1, utf8(key)), messageField(2, encodeAttribute(value)))));
    }
    this.#nodes.push(messageField(1, concatBytes(...fields)));
    return name;
  }

  encode(): Uint8Array {
    return concatBytes(...this.#nodes);
  }
}

/** AttrValue: s 2, f 4, b 5, type 6, shape 7, tensor 8, list 1 (of i 3). */
function encodeAttribute(value: Attribute): Uint8Array {
  if ("type" in value) return varintField(6, value.type);
  if ("float" in value) return concatBytes(varint((4 << 3) | 5), new Uint8Array(Float32Array.of(value.float).buffer));
  if ("bool" in value) return varintField(5, value.bool ? 1 : 0);
  if ("text" in value) return messageField(2, utf8(value.text));
  if ("shape" in value) return messageField(7, encodeShape(value.shape));
  if ("tensor" in value) return messageField(8, value.tensor);
  return messageField(1, messageField(3, concatBytes(...value.ints.map((item) => varint(item)))));
}

function encodeShape(shape: readonly number[]): Uint8Array {
  return concatBytes(...shape.map((size) => messageField(2, varintField(1, size))));
}

function varintField(field: number, value: number): Uint8Array {
  return concatBytes(varint(field << 3), varint(value));
}

function messageField(field: number, bytes: Uint8Array): Uint8Array {
  return concatBytes(varint((field << 3) | 2), varint(bytes.length), bytes);
}

/** Negative numbers are written as 64-bit two's complement, as protobuf does for int64. */
function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const more = rest > 127n;
    out.push(Number(rest & 127n) | (more ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(out);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
