/** Lowerings of what is left of complex numbers once they are pairs (passes/complex.ts): at the model's ends, and RFFT. */
import {isKnown} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

const hint = '; with ioType: "float32" (--io-type float32) inputs and outputs are complex64';

const part =
  (op: "REAL" | "IMAG"): Lowering =>
  ({inputs: [x], types: [type]}, b) => {
    if (b.dtype(x!) !== "complex64") return b.refuse(`parts of ${b.dtype(x!)}${hint}`);
    const found = b.raw(op, [x!], {}, [{dtype: "float32", shape: type!.shape}])[0]!;
    return op === "IMAG" && isTransformed(b, x!) ? b.add(found, b.scalar(0)) : found;
  };

/** The kernel of RFFT gives −0 where TensorFlow gives 0 (of a constant, say), and their angles differ by 2π. */
const isTransformed = (b: Lowerer, ref: Ref): boolean =>
  b.producer(ref)?.op === "tfl.SQUEEZE" && b.producer(b.producer(ref)!.inputs[0]!)?.op === "tfl.RFFT2D";

/** Pairs of floats are complex numbers, bit by bit. */
const join: Lowering = ({inputs: [re, im], types: [type]}, b) => {
  if (type!.dtype !== "complex64") return b.refuse(`numbers of ${type!.dtype}${hint}`);
  const shape = type!.shape ?? b.refuse("the rank of its parts isn't known");
  const zero = b.mul(b.add(re!, im!), b.scalar(0));
  const wide = (x: Ref) => b.reshape(b.rank(x) === shape.length ? x : b.add(x, zero), shape);
  const same = (x: Ref) => b.shape(x).join() === shape.join();
  const parts = same(re!) && same(im!) ? [re!, im!] : [re!, im!].map((x) => (same(x) ? x : wide(b.add(x, zero))));
  const axis = shape.length;
  const pairs = b.raw("PACK", parts, {valuesCount: 2, axis}, [{dtype: "float32", shape: [...shape, 2]}])[0]!;
  return b.raw("BITCAST", [pairs], {}, [type!])[0]!;
};

/** The kernel transforms two axes: one of them is of size 1. */
const realTransform: Lowering = ({inputs: [x], types: [type]}, b: Lowerer) => {
  const shape = b.shape(x!);
  const length = shape.at(-1)!;
  const wanted = type!.shape;
  const isWhole = isKnown(length) && length > 0 && (length & (length - 1)) === 0 && wanted?.at(-1) === length / 2 + 1;
  if (!isWhole || wanted === undefined || b.dtype(x!) !== "float32") {
    return b.refuse("its length isn't known, or more than 1024 and no power of two");
  }
  if (length === 1) return b.refuse("a transform of one element");
  const lead = shape.slice(0, -1);
  const axis = lead.length;
  const rows = b.expandDims(x!, axis);
  const spectrum = b.raw("RFFT2D", [rows, b.ints([1, length])], {}, [
    {dtype: "complex64", shape: [...lead, 1, length / 2 + 1]},
  ])[0]!;
  return b.raw("SQUEEZE", [spectrum], {squeezeDims: [axis]}, [{dtype: "complex64", shape: wanted}])[0]!;
};

export const complexLowerings: LoweringTable = {
  Complex: join,
  Real: part("REAL"),
  Imag: part("IMAG"),
  RFFT: realTransform,
};
