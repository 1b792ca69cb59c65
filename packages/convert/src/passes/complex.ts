/**
 * Complex numbers → pairs of real ones, of which kernels know all operators (specs/convert.md §7). Each operator on complex
 * values becomes operators on parts, and a `tf.Complex` of the results; what takes that apart again finds the parts in its
 * inputs, and what nobody takes as a complex number is pruned. Fourier transforms become products with matrices of
 * cosines and sines, but real ones of a power of two stay, for the kernel. complex128 is computed in float32.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {isKnown, unknownDim} from "../ir/dims.ts";
import {type Attribute, type Attributes, type Graph, type Node, originOf, type Ref} from "../ir/graph.ts";
import {float32Tensor, int32Tensor} from "../ops/elements.ts";
import {partOf, type Transform, transforms} from "../ops/tf/complex.ts";
import {tfTable} from "../ops/tf/index.ts";
import {tallyOf} from "./narrow.ts";
import type {Pass} from "./pass.ts";

interface Parts {
  readonly re: Ref;
  readonly im: Ref;
}

/** What an operator is on parts: the parts of its result, or a real result. `undefined` = not in this form. */
type Rule = (operands: readonly Parts[], m: Math2, node: Node) => Parts | Ref | undefined;

const isComplex = (dtype: string): boolean => dtype === "complex64" || dtype === "complex128";

/** Operators that do the same to each part: they move elements, or are linear in all their complex operands. */
const partwise: ReadonlySet<string> = new Set(
  `Add AddV2 Sub AddN AccumulateNV2 Neg Sum Mean Cumsum BiasAdd Identity Snapshot StopGradient PreventGradient EnsureShape
   Reshape Squeeze ExpandDims Transpose Slice StridedSlice Gather GatherV2 GatherNd Concat ConcatV2 Pack Unpack Split SplitV
   Tile BroadcastTo Pad PadV2 MirrorPad ReverseV2 Roll Fill ZerosLike Select SelectV2 SpaceToBatchND BatchToSpaceND
   MatrixDiag MatrixDiagV2 MatrixDiagV3 MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixBandPart
   MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 ScatterNd TensorScatterUpdate DynamicStitch ReverseSequence`.split(
    /\s+/,
  ),
);

/** Operators of real numbers, emitted by short names. */
class Math2 {
  readonly b: Rewriter;
  constructor(b: Rewriter) {
    this.b = b;
  }
  op = (name: string, ...inputs: readonly Ref[]): Ref => this.b.op(`tf.${name}`, inputs);
  number = (value: number): Ref => this.b.constant(float32Tensor([value], []));
  add = (x: Ref, y: Ref): Ref => this.op("AddV2", x, y);
  sub = (x: Ref, y: Ref): Ref => this.op("Sub", x, y);
  mul = (x: Ref, y: Ref): Ref => this.op("Mul", x, y);
  div = (x: Ref, y: Ref): Ref => this.op("RealDiv", x, y);

  /** √(re² + im²) by the larger part, so that squares neither overflow nor vanish. */
  abs({re, im}: Parts): Ref {
    const [p, q] = [this.op("Abs", re), this.op("Abs", im)];
    const [large, small] = [this.op("Maximum", p, q), this.op("Minimum", p, q)];
    const ratio = this.op("DivNoNan", small, large);
    const root = this.op("Sqrt", this.add(this.number(1), this.mul(ratio, ratio)));
    return this.op("SelectV2", this.op("IsInf", large), large, this.mul(large, root));
  }

  times(x: Parts, y: Parts, product: (a: Ref, b: Ref) => Ref = this.mul): Parts {
    return {
      re: this.sub(product(x.re, y.re), product(x.im, y.im)),
      im: this.add(product(x.re, y.im), product(x.im, y.re)),
    };
  }

  /** x/y with y scaled by its larger part: (x·conj(y/s)) / (s·|y/s|²). */
  over(x: Parts, y: Parts): Parts {
    const scale = this.op("Maximum", this.op("Abs", y.re), this.op("Abs", y.im));
    const [c, d] = [this.div(y.re, scale), this.div(y.im, scale)];
    const size = this.mul(scale, this.add(this.mul(c, c), this.mul(d, d)));
    const {re, im} = this.times(x, {re: c, im: this.op("Neg", d)});
    return {re: this.div(re, size), im: this.div(im, size)};
  }

  conjugate = ({re, im}: Parts): Parts => ({re, im: this.op("Neg", im)});
}

const product =
  (flags: readonly [string, string], conjugates: boolean): Rule =>
  ([x, y], m, node) => {
    const attributes = realAttributes(node.attributes);
    const turned = (side: Parts, flag: string) =>
      conjugates && node.attributes[flag] === true ? m.conjugate(side) : side;
    return m.times(turned(x!, flags[0]), turned(y!, flags[1]), (a, c) => m.b.op(node.op, [a, c], attributes));
  };

const equality =
  (join: "LogicalAnd" | "LogicalOr", compare: "Equal" | "NotEqual"): Rule =>
  ([x, y], m) =>
    m.op(join, m.op(compare, x!.re, y!.re), m.op(compare, x!.im, y!.im));

/** Operators of two complex operands; a damaged graph may have a real one among them. */
const binary: ReadonlySet<string> = new Set(
  "Mul Div RealDiv Equal NotEqual MatMul BatchMatMul BatchMatMulV2".split(" "),
);

const rules: Readonly<Record<string, Rule>> = {
  Real: ([x]) => x!.re,
  Imag: ([x]) => x!.im,
  ComplexAbs: ([x], m) => m.abs(x!),
  Angle: ([x], m) => m.op("Atan2", x!.im, x!.re),
  Conj: ([x], m) => m.conjugate(x!),
  ConjugateTranspose: ([x], m, node) => {
    const turn = (part: Ref) => m.b.op("tf.Transpose", [part, node.inputs[1]!]);
    return m.conjugate({re: turn(x!.re), im: turn(x!.im)});
  },
  OnesLike: ([x], m) => ({re: m.op("OnesLike", x!.re), im: m.op("ZerosLike", x!.im)}),
  Mul: ([x, y], m) => m.times(x!, y!),
  Square: ([x], m) => m.times(x!, x!),
  Div: ([x, y], m) => m.over(x!, y!),
  RealDiv: ([x, y], m) => m.over(x!, y!),
  Reciprocal: ([x], m) => m.over({re: m.number(1), im: m.number(0)}, x!),
  Inv: ([x], m) => m.over({re: m.number(1), im: m.number(0)}, x!),
  Exp: ([x], m) => {
    const size = m.op("Exp", x!.re);
    return {re: m.mul(size, m.op("Cos", x!.im)), im: m.mul(size, m.op("Sin", x!.im))};
  },
  Log: ([x], m) => ({re: m.op("Log", m.abs(x!)), im: m.op("Atan2", x!.im, x!.re)}),
  Equal: equality("LogicalAnd", "Equal"),
  NotEqual: equality("LogicalOr", "NotEqual"),
  MatMul: product(["transpose_a", "transpose_b"], false),
  BatchMatMul: product(["adj_x", "adj_y"], true),
  BatchMatMulV2: product(["adj_x", "adj_y"], true),
};

export const complexParts: Pass = {
  name: "complex",
  effect: "rewritten",
  run: (graph, tally) => {
    if (!holdsComplex(graph)) return graph;
    return rewriteGraph(graph, tfTable, (node, b) => {
      const replaced = rewriteNode(node, b);
      if (replaced === undefined) return undefined;
      if (node.outputs.some((type) => type.dtype === "complex128")) tally(tallyOf("complex128"), originOf(node));
      tally("complex operators taken apart", originOf(node));
      return replaced;
    });
  },
};

const holdsComplex = (graph: Graph): boolean =>
  graph.nodes.some((node) => node.outputs.some((type) => isComplex(type.dtype)) || transforms.has(node.op.slice(3)));

function rewriteNode(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const name = node.op.slice(3);
  if (!node.op.startsWith("tf.") || name === "Complex") return undefined;
  const result = node.outputs[0]?.dtype ?? "";
  const takes = node.inputs.map((ref) => ref !== "" && isComplex(b.type(ref).dtype));
  const m = new Math2(b);
  const joined = ({re, im}: Parts) => b.op("tf.Complex", [re, im], {T: "float32", Tout: result});
  const transform = transforms.get(name);
  if (transform) {
    const found = transformed(node, transform, m);
    return found === undefined ? undefined : [typeof found === "string" ? found : joined(found)];
  }
  if (name === "Cast") {
    const [x] = node.inputs as [Ref];
    if (!takes[0] && !isComplex(result)) return undefined;
    if (!takes[0]) return [joined({re: castTo(b, x, "float32"), im: m.number(0)})];
    const parts = partsOf(b, x);
    if (result === "bool") return undefined;
    return [isComplex(result) ? joined(parts) : castTo(b, parts.re, result)];
  }
  if (!takes.includes(true)) return undefined;
  if (partwise.has(name)) {
    const attributes = realAttributes(node.attributes);
    const operands = node.inputs.map((ref, i) => (takes[i] ? partsOf(b, ref) : {re: ref, im: ref}));
    const halves = (["re", "im"] as const).map((part) =>
      b.emit(
        node.op,
        operands.map((each) => each[part]),
        attributes,
      ),
    );
    return node.outputs.map((_, i) => joined({re: halves[0]![i]!, im: halves[1]![i]!}));
  }
  // An operator of the form Real that was made by partsOf has nothing to be taken apart.
  if ((name === "Real" || name === "Imag") && isOpaque(b, node.inputs[0]!)) return undefined;
  const rule = rules[name];
  const operands = node.inputs.flatMap((ref, i) => (takes[i] ? [partsOf(b, ref)] : []));
  if (binary.has(name) && operands.length < 2) return undefined;
  const found = rule?.(operands, m, node);
  return found === undefined ? undefined : [typeof found === "string" ? found : joined(found)];
}

/** Whether a value comes from outside, or from an operator that stays. */
function isOpaque(b: Rewriter, ref: Ref): boolean {
  return b.producer(ref)!.op !== "tf.Complex" && b.constantAt(ref) === undefined;
}

function partsOf(b: Rewriter, ref: Ref): Parts {
  const producer = b.producer(ref)!;
  if (producer.op === "tf.Complex") {
    const shape = b.type(ref).shape;
    // Parts may have been broadcast against each other.
    const [re, im] = producer.inputs as [Ref, Ref];
    const same = (part: Ref) => b.type(part).shape?.join() === shape?.join() && !shape?.includes(unknownDim);
    if (same(re) && same(im)) return {re, im};
    const zero = b.op("tf.Mul", [b.op("tf.AddV2", [re, im]), b.constant(float32Tensor([0], []))]);
    return {re: same(re) ? re : b.op("tf.AddV2", [re, zero]), im: same(im) ? im : b.op("tf.AddV2", [im, zero])};
  }
  const constant = b.constantAt(ref);
  if (constant) {
    const part = (which: 0 | 1) => b.constant(partOf(constant, which, "float32"));
    return {re: part(0), im: part(1)};
  }
  const part = (op: "Real" | "Imag") => b.op(`tf.${op}`, [ref], {Tout: "float32"});
  return {re: part("Real"), im: part("Imag")};
}

function castTo(b: Rewriter, ref: Ref, dtype: string): Ref {
  const from = b.type(ref).dtype;
  return from === dtype ? ref : b.op("tf.Cast", [ref], {SrcT: from, DstT: dtype, Truncate: false});
}

/** Attributes name the dtype, too. */
function realAttributes(attributes: Attributes): Attributes {
  const real = (value: Attribute): Attribute => {
    if (typeof value === "string" && isComplex(value)) return "float32";
    const isTensor = typeof value === "object" && "dtype" in value && isComplex((value as Tensor).dtype);
    return isTensor ? partOf(value as Tensor, 0, "float32") : value;
  };
  return Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, real(value)]));
}

/** The longest axis that is transformed by a matrix. */
const maxLength = 1024;

/** A Fourier transform axis by axis; `undefined` where it stays, for the kernel or to be refused. */
function transformed(node: Node, {axes, inverse, half}: Transform, m: Math2): Parts | Ref | undefined {
  const {b} = m;
  const [x] = node.inputs as [Ref];
  const own = b.type(x).shape;
  const wanted = node.outputs[0]!.shape;
  if (own === undefined || wanted === undefined) return undefined;
  const rank = own.length;
  const lengths = half ? b.type(node.inputs[1]!).elements : own.slice(-axes);
  if (!lengths?.every((each) => isKnown(each) && each > 0) || !own.slice(-axes).every(isKnown)) return undefined;
  const sizes = lengths as readonly number[];
  const last = sizes[axes - 1]!;
  const isPower = last > 1 && sizes.every((size) => (size & (size - 1)) === 0);
  if (axes === 1 && half && !inverse && isPower && own[rank - 1] === last) return undefined;
  if (sizes.some((size) => size > maxLength)) return undefined;
  const isReal = !isComplex(b.type(x).dtype);
  let parts: Parts = isReal ? {re: x, im: ""} : partsOf(b, x);
  const each = (f: (part: Ref) => Ref): Parts => ({re: f(parts.re), im: parts.im === "" ? "" : f(parts.im)});
  const bins = Math.floor(last / 2) + 1;
  const needed = sizes.map((size, i) => (half && inverse && i === axes - 1 ? bins : size));
  parts = each((part) => fitted(b, part, needed));
  // The axis that has only half is first when it is made, and last when it is taken.
  const order = Array.from({length: axes}, (_, i) => (inverse ? i : axes - 1 - i));
  for (const i of order) {
    const size = sizes[i]!;
    const halves = half && i === axes - 1;
    const axis = rank - axes + i;
    const swapped = Array.from({length: rank}, (_, k) => (k === axis ? rank - 1 : k === rank - 1 ? axis : k));
    const turn = (part: Ref) =>
      axis === rank - 1 ? part : b.op("tf.Transpose", [part, b.constant(int32Tensor(swapped))]);
    const [from, to] = halves ? (inverse ? [bins, size] : [size, bins]) : [size, size];
    const {cos, sin} = turningMatrices(size, from, to, inverse, halves && inverse);
    const by = (part: Ref, matrix: Tensor) => {
      const rows = rank === 1 ? b.op("tf.ExpandDims", [part, b.constant(int32Tensor([0], []))]) : turn(part);
      const found = b.op("tf.BatchMatMulV2", [rows, b.constant(matrix)], {adj_x: false, adj_y: false});
      return rank === 1 ? b.op("tf.Squeeze", [found], {squeeze_dims: [0]}) : turn(found);
    };
    if (halves && inverse) return m.add(by(parts.re, cos), by(parts.im, sin));
    if (parts.im === "") parts = {re: by(parts.re, cos), im: by(parts.re, sin)};
    else {
      const {re, im} = parts;
      parts = {re: m.sub(by(re, cos), by(im, sin)), im: m.add(by(re, sin), by(im, cos))};
    }
  }
  return parts;
}

/** Cut to, or filled up with zeros to, these last sizes. */
function fitted(b: Rewriter, part: Ref, sizes: readonly number[]): Ref {
  const shape = b.type(part).shape!;
  const lead = shape.length - sizes.length;
  const own = shape.slice(lead) as readonly number[];
  let value = part;
  if (own.some((size, i) => size > sizes[i]!)) {
    const size = [...Array.from({length: lead}, () => -1), ...own.map((each, i) => Math.min(each, sizes[i]!))];
    const begin = int32Tensor(shape.map(() => 0));
    value = b.op("tf.Slice", [value, b.constant(begin), b.constant(int32Tensor(size))]);
  }
  const pads = own.map((each, i) => Math.max(0, sizes[i]! - each));
  if (pads.every((pad) => pad === 0)) return value;
  const widths = [...Array.from({length: lead}, () => 0), ...pads].flatMap((pad) => [0, pad]);
  return b.op("tf.Pad", [value, b.constant(int32Tensor(widths, [shape.length, 2]))]);
}

/**
 * [from, to] matrices of cos and sin of ∓2π·i·k/n, of the inverse divided by n. To a real result every bin but the first
 * (and the middle one of an even n) stands for two, and the sine comes with the sign of −im·sin.
 */
function turningMatrices(n: number, from: number, to: number, inverse: boolean, toReal: boolean) {
  const sign = inverse ? 1 : -1;
  const make = (f: (angle: number) => number, factor: number): Tensor =>
    float32Tensor(
      Float32Array.from({length: from * to}, (_, at) => {
        const [i, k] = [Math.floor(at / to), at % to];
        const weight = toReal && i !== 0 && 2 * i !== n ? 2 : 1;
        return (factor * weight * f((sign * 2 * Math.PI * ((i * k) % n)) / n)) / (inverse ? n : 1);
      }),
      [from, to],
    );
  return {cos: make(Math.cos, 1), sin: make(Math.sin, toReal ? -1 : 1)};
}
