/**
 * What lowerings are written with: one node of the `tf` dialect in, nodes of the `tfl` dialect out. It keeps what every
 * lowering has to mind in one place: kernels get dtypes that they compute rightly, shape operands are int32 constants
 * where they can be, ranks stay within what the kernels take.
 */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import {Rewriter} from "../ir/builder.ts";
import {formatDims, isKnown, isStatic, type Shape, surelyEqual} from "../ir/dims.ts";
import {
  type Attributes,
  type Graph,
  type Node,
  plainType,
  type Quantisation,
  type Ref,
  type TensorType,
  type ValueDType,
} from "../ir/graph.ts";
import type {Site} from "../ir/operators.ts";
import {castTensor, float32Tensor, int32Tensor, makeTensor, transposeTensor} from "../ops/elements.ts";
import {mixedTable, tflTable} from "../ops/tfl/index.ts";
import {
  dequantised,
  emitConstant,
  int8Tensor,
  quantisedConstant,
  reshapedLevels,
  transposedLevels,
} from "../quantise/constants.ts";
import type {QuantisedTensor} from "../quantise/levels.ts";

/** Why a node can't be lowered in the form in which it is used. Caught by the pass, which tells all of them at once. */
export class Refusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Gives the values that stand for the node's outputs. Throws {@link Refusal}. */
export type Lowering = (node: LoweredNode, b: Lowerer) => Ref | readonly Ref[];

/** A table keyed by operator. */
export type LoweringTable = Readonly<Record<string, Lowering>>;

/** The node being lowered. */
export interface LoweredNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly Ref[];
  readonly attributes: Attributes;
  /** Types of the outputs. */
  readonly types: readonly TensorType[];
  /** For the functions that read attributes and shapes. */
  readonly site: Site;
}

const integerDtypes: readonly ValueDType[] = ["int8", "int16", "uint8", "uint16", "int32", "uint32", "int64", "uint64"];

/** 64 MB of weights: a few bytes of a hostile graph can ask for tables of any size. */
export const maxMadeElements = 2 ** 24;

export class Lowerer {
  readonly #rewriter: Rewriter;
  readonly #notes: (note: string) => void;

  constructor(rewriter: Rewriter, notes: (note: string) => void) {
    this.#rewriter = rewriter;
    this.#notes = notes;
  }

  refuse(reason: string): never {
    throw new Refusal(reason);
  }

  type(ref: Ref): TensorType {
    return this.#rewriter.type(ref);
  }

  /** Throws a refusal for an unknown rank. */
  shape(ref: Ref): Shape {
    return this.type(ref).shape ?? this.refuse("the rank of an input isn't known");
  }

  rank(ref: Ref): number {
    return this.shape(ref).length;
  }

  dtype(ref: Ref): ValueDType {
    return this.type(ref).dtype;
  }

  /** The value of a constant; of one on levels, the real numbers. */
  constant(ref: Ref): Tensor | undefined {
    const constant = this.#rewriter.constantAt(ref);
    if (constant) return constant;
    const levels = quantisedConstant(ref, this.#rewriter);
    return levels && dequantised(levels);
  }

  /** One level of int8, as a scalar. */
  level(level: number, quantisation: Quantisation): Ref {
    return this.#rewriter.constant(int8Tensor([], [level]), undefined, quantisation);
  }

  /** A constant on levels, as real numbers. */
  levels(constant: QuantisedTensor): Ref {
    return emitConstant(constant, this.#rewriter);
  }

  producer(ref: Ref): Node | undefined {
    return this.#rewriter.producer(ref);
  }

  /** The integers of an operand, where they are known. */
  known(ref: Ref): number[] | undefined {
    const constant = this.constant(ref);
    if (constant) return Array.from(constant.data as ArrayLike<number | bigint>, Number);
    const {elements} = this.type(ref);
    return elements?.every(isKnown) ? [...(elements as number[])] : undefined;
  }

  /** {@link known}, or a refusal. */
  integers(ref: Ref, what: string): number[] {
    return this.known(ref) ?? this.refuse(`its ${what} is computed, expected a constant`);
  }

  /** `count` elements of a constant that a lowering is about to make; a refusal for more than any model is made for. */
  bounded(count: number): number {
    if (count <= maxMadeElements) return count;
    return this.refuse(`it would take a constant of ${count} elements, expected at most ${maxMadeElements}`);
  }

  value(tensor: Tensor): Ref {
    return this.#rewriter.constant(tensor);
  }

  ints(values: readonly number[], shape?: readonly number[]): Ref {
    return this.value(int32Tensor(values, shape));
  }

  /** A scalar constant of a numeric dtype. */
  scalar(value: number, dtype: ValueDType = "float32"): Ref {
    return this.value(makeTensor(dtype as DType, [], () => value));
  }

  floats(values: ArrayLike<number>, shape?: readonly number[]): Ref {
    return this.value(float32Tensor(values, shape));
  }

  /** Emits an operator as it is. */
  raw(op: string, inputs: readonly Ref[], attributes: Attributes = {}, types?: readonly TensorType[]): readonly Ref[] {
    for (const type of types ?? []) this.#checkRank(type.shape);
    return this.#rewriter.emit(`tfl.${op}`, inputs, attributes, types ? {types: types.map(plain)} : {});
  }

  /**
   * Emits an operator of one output, whose data inputs all have the dtype of the first: where the kernel doesn't compute
   * that one rightly, in int32 (what wraps around there wraps around in the cast back). `operands` are left as they are.
   */
  op(
    op: string,
    data: readonly Ref[],
    attributes: Attributes = {},
    options: {readonly operands?: readonly Ref[]; readonly type?: TensorType} = {},
  ): Ref {
    const dtype = this.dtype(data[0]!);
    const through = this.#computedIn(op, dtype);
    const inputs = through === dtype ? data : data.map((ref) => this.cast(ref, through));
    const own = options.type && {...options.type, dtype: options.type.dtype === dtype ? through : options.type.dtype};
    const result = this.raw(op, [...inputs, ...(options.operands ?? [])], attributes, own && [own])[0]!;
    const isSame = this.dtype(result) === through && through !== dtype;
    return isSame && options.type?.dtype !== through ? this.cast(result, dtype) : result;
  }

  /** The dtype in which a kernel computes what is asked for. */
  #computedIn(op: string, dtype: ValueDType): ValueDType {
    const accepts = tflTable.get(`tfl.${op}`)?.accepts;
    if (accepts === undefined || accepts.includes(dtype)) return dtype;
    if (!integerDtypes.includes(dtype) || !accepts.includes("int32")) {
      return this.refuse(`TensorFlow Lite has no ${op} for ${dtype}`);
    }
    if (dtype === "int64" || dtype === "uint64" || dtype === "uint32") {
      if (dtype !== "int64") return this.refuse(`TensorFlow Lite has no ${op} for ${dtype}`);
      this.#notes(`${op} of int64 is computed in int32: values beyond 2^31 would wrap around`);
    }
    return "int32";
  }

  cast(ref: Ref, dtype: ValueDType): Ref {
    const from = this.dtype(ref);
    if (from === dtype) return ref;
    const constant = this.constant(ref);
    const folded = constant && castTensor(constant, dtype as DType);
    if (folded) return this.value(folded);
    if (!Object.hasOwn(dtypes, from) || !Object.hasOwn(dtypes, dtype) || from === "string" || dtype === "string") {
      this.refuse(`there is no cast from ${from} to ${dtype}`);
    }
    const attributes = {inDataType: from.toUpperCase(), outDataType: dtype.toUpperCase()};
    return this.raw("CAST", [ref], attributes, [{dtype, shape: this.type(ref).shape}])[0]!;
  }

  /** An index, size or shape operand, as int32. */
  operand(ref: Ref): Ref {
    const {elements} = this.type(ref);
    if (elements?.every(isKnown)) return this.ints(elements as number[], this.type(ref).shape as number[]);
    return this.cast(ref, "int32");
  }

  /** Gives `ref` another shape of as many elements. */
  reshape(ref: Ref, shape: Shape): Ref {
    const own = this.type(ref).shape;
    if (own && own.length === shape.length && own.every((dim, i) => surelyEqual(dim, shape[i]!))) return ref;
    const levels = quantisedConstant(ref, this.#rewriter);
    const moved = levels && isStatic(shape) ? reshapedLevels(levels, shape) : undefined;
    if (moved) return this.levels(moved);
    const constant = this.constant(ref);
    if (constant && isStatic(shape)) return this.value(constant.reshape(shape));
    const unknown = shape.filter((dim) => !isKnown(dim)).length;
    const type = {dtype: this.dtype(ref), shape};
    if (unknown <= 1) {
      const target = shape.map((dim) => (isKnown(dim) ? dim : -1));
      // A dimension of 0 hides the size of the unknown one.
      if (unknown === 1 && target.includes(0)) this.refuse("an empty tensor of unknown size");
      return this.raw("RESHAPE", [ref, this.ints(target)], {newShape: target}, [type])[0]!;
    }
    return this.raw("RESHAPE", [ref, this.dims(shape, [ref])], {}, [type])[0]!;
  }

  /** One more dimension, of size 1, whatever is known of the others. */
  expandDims(ref: Ref, axis: number): Ref {
    const shape = this.shape(ref).toSpliced(axis, 0, 1);
    if (shape.filter((dim) => !isKnown(dim)).length <= 1 && (isStatic(shape) || !shape.includes(0)))
      return this.reshape(ref, shape);
    return this.raw("EXPAND_DIMS", [ref, this.ints([axis], [])], {}, [{dtype: this.dtype(ref), shape}])[0]!;
  }

  /** RESHAPE to a computed shape. */
  reshapeTo(ref: Ref, target: Ref, type: TensorType): Ref {
    return this.raw("RESHAPE", [ref, this.cast(target, "int32")], {}, [type])[0]!;
  }

  /** A shape as an int32 vector, its unknown sizes taken from dimensions of `sources` that are surely equal. */
  dims(shape: Shape, sources: readonly Ref[]): Ref {
    if (isStatic(shape)) return this.ints(shape);
    const parts = shape.map((dim): Ref => {
      if (isKnown(dim)) return this.ints([dim]);
      for (const source of sources) {
        const axis = this.shape(source).findIndex((each) => surelyEqual(each, dim));
        if (axis >= 0) return this.dimension(source, axis);
      }
      return this.refuse(`the size ${dim} of ${formatDims(shape)} isn't known`);
    });
    return parts.length === 1
      ? parts[0]!
      : this.raw("CONCATENATION", parts, {axis: 0, fusedActivationFunction: "NONE"}, [
          {dtype: "int32", shape: [parts.length]},
        ])[0]!;
  }

  /** One size of a value at run time, as an int32 vector of one element. */
  dimension(ref: Ref, axis: number): Ref {
    const dim = this.shape(ref)[axis]!;
    if (isKnown(dim)) return this.ints([dim]);
    const shape = this.raw("SHAPE", [ref], {outType: "INT32"})[0]!;
    return this.raw("SLICE", [shape, this.ints([axis]), this.ints([1])], {}, [{dtype: "int32", shape: [1]}])[0]!;
  }

  transpose(ref: Ref, permutation: readonly number[]): Ref {
    if (permutation.every((axis, i) => axis === i)) return ref;
    const levels = quantisedConstant(ref, this.#rewriter);
    if (levels) return this.levels(transposedLevels(levels, permutation));
    const constant = this.constant(ref);
    if (constant && dtypes[constant.dtype].kind !== "complex")
      return this.value(transposeTensor(constant, permutation));
    // Moving only dimensions of size 1 leaves the elements where they are.
    const shape = this.shape(ref);
    const moved = permutation.filter((axis) => shape[axis] !== 1);
    const target = permutation.map((axis) => shape[axis]!);
    if (moved.every((axis, i) => i === 0 || axis > moved[i - 1]!)) return this.reshape(ref, target);
    return this.raw("TRANSPOSE", [ref, this.ints(permutation)], {}, [{dtype: this.dtype(ref), shape: target}])[0]!;
  }

  binary(
    op:
      | "ADD"
      | "SUB"
      | "MUL"
      | "DIV"
      | "MAXIMUM"
      | "MINIMUM"
      | "FLOOR_MOD"
      | "FLOOR_DIV"
      | "POW"
      | "SQUARED_DIFFERENCE",
    x: Ref,
    y: Ref,
  ): Ref {
    const fused = ["ADD", "SUB", "MUL", "DIV"].includes(op) ? {fusedActivationFunction: "NONE"} : {};
    return this.op(op, [x, y], fused);
  }

  add = (x: Ref, y: Ref): Ref => this.binary("ADD", x, y);
  sub = (x: Ref, y: Ref): Ref => this.binary("SUB", x, y);
  mul = (x: Ref, y: Ref): Ref => this.binary("MUL", x, y);
  div = (x: Ref, y: Ref): Ref => this.binary("DIV", x, y);

  /** A scalar of the dtype of `like`. */
  like(value: number, like: Ref): Ref {
    return this.scalar(value, this.dtype(like));
  }

  select(condition: Ref, x: Ref, y: Ref): Ref {
    return this.raw("SELECT_V2", [condition, x, y])[0]!;
  }

  reduce(
    op: "SUM" | "MEAN" | "REDUCE_MAX" | "REDUCE_MIN" | "REDUCE_PROD" | "REDUCE_ANY" | "REDUCE_ALL",
    x: Ref,
    axes: readonly number[],
    keepDims: boolean,
  ): Ref {
    if (axes.length === 0) return x;
    return this.op(op, [x], {keepDims}, {operands: [this.ints(axes)]});
  }

  concat(values: readonly Ref[], axis: number): Ref {
    if (values.length === 1) return values[0]!;
    return this.op("CONCATENATION", values, {axis, fusedActivationFunction: "NONE"});
  }

  slice(x: Ref, begin: readonly number[], size: readonly number[]): Ref {
    return this.raw("SLICE", [x, this.ints(begin), this.ints(size)])[0]!;
  }

  gather(params: Ref, indices: Ref, axis: number, batchDims = 0): Ref {
    return this.op("GATHER", [params], {axis, batchDims}, {operands: [indices]});
  }

  /**
   * `step` again and again while `goesOn` says so, over variables that keep their types. Both see nothing but the variables,
   * and emit by the lowerer that they are given.
   */
  loop(
    variables: readonly Ref[],
    goesOn: (b: Lowerer, variables: readonly Ref[]) => Ref,
    step: (b: Lowerer, variables: readonly Ref[]) => readonly Ref[],
  ): readonly Ref[] {
    const types = variables.map((ref) => plainType(this.type(ref)));
    const region = (run: (b: Lowerer, variables: readonly Ref[]) => readonly Ref[]): Graph => {
      const rewriter = new Rewriter({inputs: [], outputs: [], nodes: []}, mixedTable);
      const inputs = types.map((type, i) => rewriter.input(`in${i}`, type));
      const outputs = run(new Lowerer(rewriter, this.#notes), inputs);
      const ports = (refs: readonly Ref[], name: string) => refs.map((ref, i) => ({name: `${name}${i}`, ref}));
      return rewriter.build(ports(inputs, "in"), ports(outputs, "out"));
    };
    const regions = {cond: region((b, inputs) => [goesOn(b, inputs)]), body: region(step)};
    return this.#rewriter.emit("tfl.WHILE", variables, {}, {types, regions});
  }

  note(message: string): void {
    this.#notes(message);
  }

  #checkRank(shape: Shape | undefined): void {
    if (shape && shape.length > 8) this.refuse(`a tensor of rank ${shape.length}; TensorFlow Lite takes up to 8`);
  }
}

const plain = (type: TensorType): TensorType => ({
  ...plainType(type),
  ...(type.elements ? {elements: type.elements} : {}),
});
