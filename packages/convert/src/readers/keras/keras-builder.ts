/** Makes graphs of TensorFlow operators with their attributes filled in as an importer would find them. */
import {type DType, isDType, type Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../../convert-error.ts";
import {operatorDefinitions} from "../../gen/operator-definitions.ts";
import {GraphBuilder} from "../../ir/builder.ts";
import {type Dim, isKnown, type Shape} from "../../ir/dims.ts";
import type {Attribute, Attributes, Graph, Ref, TensorType} from "../../ir/graph.ts";
import {float32Tensor, int32Tensor, leastSizeOfType, makeTensor} from "../../ops/elements.ts";
import {tfTable} from "../../ops/tf/index.ts";
import {layerUnsupported} from "./config.ts";

/** A size of a new shape: a number, or what an axis of some value has. */
export type Size = number | {readonly ref: Ref; readonly axis: number};

/** What may still be made; shared by all parts of a graph. */
export interface BuildBudget {
  nodes: number;
  readonly tensorBytes: number;
}

export class KerasBuilder extends GraphBuilder {
  /** The layer that is being built: names its nodes. */
  scope = "model";

  readonly #budget: BuildBudget;

  constructor(budget: BuildBudget) {
    super(tfTable);
    this.#budget = budget;
  }

  enter(scope: string): void {
    this.scope = scope;
    this.origin = scope;
  }

  /** All outputs of an operator, its other attributes taken from the registry. */
  outputs(op: string, inputs: readonly Ref[], given: Attributes = {}): readonly Ref[] {
    const refs = this.emit(`tf.${op}`, inputs, this.#attributes(op, inputs, given), {name: `${this.scope}/${op}`});
    this.#spend(refs);
    return refs;
  }

  tf(op: string, inputs: readonly Ref[], given: Attributes = {}): Ref {
    return this.outputs(op, inputs, given)[0]!;
  }

  /** Dimensions. Layers of Keras always know their rank. */
  shape(ref: Ref): Shape {
    const {shape} = this.type(ref);
    if (shape === undefined) throw layerUnsupported(this.scope, "a value of unknown rank");
    return shape;
  }

  rank(ref: Ref): number {
    return this.shape(ref).length;
  }

  dtype(ref: Ref): DType {
    const {dtype} = this.type(ref);
    if (!isDType(dtype)) throw layerUnsupported(this.scope, `a value of dtype ${dtype}`);
    return dtype;
  }

  isFloat(ref: Ref): boolean {
    return /^(b?float)/.test(this.dtype(ref));
  }

  value(tensor: Tensor): Ref {
    return this.constant(tensor, `${this.scope}/const`);
  }

  scalar(value: number, dtype: DType = "float32"): Ref {
    if (dtype === "int32") this.#checkInteger(value);
    return this.value(makeTensor(dtype, [], () => value));
  }

  /** A scalar of the dtype of `like`. */
  like(value: number, like: Ref): Ref {
    return this.scalar(value, this.dtype(like));
  }

  /** Throws `CONVERT_LIMIT` for sizes that no tensor has. */
  ints(values: readonly number[]): Ref {
    for (const value of values) this.#checkInteger(value);
    return this.value(int32Tensor(values));
  }

  floats(values: ArrayLike<number>, shape?: readonly number[]): Ref {
    return this.value(float32Tensor(values, shape));
  }

  cast(ref: Ref, dtype: DType): Ref {
    return this.dtype(ref) === dtype ? ref : this.tf("Cast", [ref], {DstT: dtype});
  }

  add = (a: Ref, b: Ref): Ref => this.tf("AddV2", [a, b]);
  sub = (a: Ref, b: Ref): Ref => this.tf("Sub", [a, b]);
  mul = (a: Ref, b: Ref): Ref => this.tf("Mul", [a, b]);
  div = (a: Ref, b: Ref): Ref => this.tf("RealDiv", [a, b]);
  select = (condition: Ref, a: Ref, b: Ref): Ref => this.tf("SelectV2", [condition, a, b]);

  transpose(ref: Ref, permutation: readonly number[]): Ref {
    return permutation.every((axis, i) => axis === i) ? ref : this.tf("Transpose", [ref, this.ints(permutation)]);
  }

  reduce(op: string, ref: Ref, axes: readonly number[], keepDims: boolean): Ref {
    return this.tf(op, [ref, this.ints(axes)], {keep_dims: keepDims});
  }

  expand(ref: Ref, axis: number): Ref {
    return this.tf("ExpandDims", [ref, this.scalar(axis, "int32")]);
  }

  squeeze(ref: Ref, axes: readonly number[]): Ref {
    return this.tf("Squeeze", [ref], {squeeze_dims: axes});
  }

  concat(refs: readonly Ref[], axis: number): Ref {
    return refs.length === 1 ? refs[0]! : this.tf("ConcatV2", [...refs, this.scalar(axis, "int32")]);
  }

  /** Parts of `count` equal sizes. */
  split(ref: Ref, count: number, axis: number): readonly Ref[] {
    return this.outputs("Split", [this.scalar(axis, "int32"), ref], {num_split: count});
  }

  /** The axes of `ref` as sizes of a shape. */
  sizes(ref: Ref): readonly Size[] {
    return this.shape(ref).map((dim, axis) => (isKnown(dim) ? dim : {ref, axis}));
  }

  reshape(ref: Ref, sizes: readonly Size[]): Ref {
    return this.tf("Reshape", [ref, this.sizesOf(sizes, true)]);
  }

  /** Sizes as a tensor. At most one that isn't known may be written as -1, where that means "the rest". */
  sizesOf(sizes: readonly Size[], mayInfer = false): Ref {
    const known = sizes.map((size) => (typeof size === "number" ? size : this.#dim(size)));
    const open = known.filter((dim) => !isKnown(dim)).length;
    const isInferred = known.some((dim) => dim === -1);
    if (open === 0 || (mayInfer && open === 1 && !isInferred && !known.includes(0))) {
      return this.ints(known.map((dim) => (isKnown(dim) ? dim : -1)));
    }
    const parts = sizes.map((size) => (typeof size === "number" ? this.scalar(size, "int32") : this.sizeAt(size)));
    return this.tf("Pack", parts, {axis: 0});
  }

  /** The size of an axis as an int32 scalar. */
  sizeAt(size: {readonly ref: Ref; readonly axis: number}): Ref {
    const dim = this.#dim(size);
    if (isKnown(dim)) return this.scalar(dim, "int32");
    const shape = this.tf("Shape", [size.ref], {out_type: "int32"});
    return this.slice1(shape, size.axis);
  }

  /** Element `index` of a vector. */
  slice1(vector: Ref, index: number): Ref {
    return this.tf("StridedSlice", [vector, this.ints([index]), this.ints([index + 1]), this.ints([1])], {
      shrink_axis_mask: 1,
    });
  }

  /** From `begin`, `size` elements (-1: to the end) along each axis. */
  slice(ref: Ref, begin: readonly number[], size: readonly number[]): Ref {
    return this.tf("Slice", [ref, this.ints(begin), this.ints(size)]);
  }

  pad(ref: Ref, paddings: readonly (readonly [number, number])[], value?: Ref): Ref {
    if (paddings.every(([before, after]) => before === 0 && after === 0)) return ref;
    const amounts = this.value(int32Tensor(paddings.flat(), [paddings.length, 2]));
    return value === undefined ? this.tf("Pad", [ref, amounts]) : this.tf("PadV2", [ref, amounts, value]);
  }

  zeros(sizes: readonly Size[], dtype: DType): Ref {
    return this.tf("Fill", [this.sizesOf(sizes), this.scalar(0, dtype)]);
  }

  /** x·w over the last axis of x and the first of w, [units in, units out]. */
  project(x: Ref, w: Ref): Ref {
    const rank = this.rank(x);
    if (rank === 2) return this.tf("MatMul", [x, w]);
    if (rank === 1) return this.squeeze(this.tf("MatMul", [this.expand(x, 0), w]), [0]);
    return this.tf("BatchMatMulV2", [x, w]);
  }

  /** A loop over `variables`. Each part gets a builder of its own and the refs of the variables. */
  loop(
    variables: readonly Ref[],
    cond: (b: KerasBuilder, variables: readonly Ref[]) => Ref,
    body: (b: KerasBuilder, variables: readonly Ref[]) => readonly Ref[],
  ): readonly Ref[] {
    const types = variables.map((ref): TensorType => ({dtype: this.type(ref).dtype, shape: this.type(ref).shape}));
    const region = (make: (b: KerasBuilder, refs: readonly Ref[]) => readonly Ref[]): Graph => {
      const b = new KerasBuilder(this.#budget);
      b.enter(this.scope);
      const refs = types.map((type, i) => b.input(`${this.scope}/variable_${i}`, type));
      const results = make(b, refs);
      return b.build(
        refs.map((ref, i) => ({name: `variable_${i}`, ref})),
        results.map((ref, i) => ({name: `result_${i}`, ref})),
      );
    };
    const regions = {cond: region((b, refs) => [cond(b, refs)]), body: region(body)};
    return this.emit("tf.While", variables, {}, {name: `${this.scope}/While`, types, regions});
  }

  /** Models that call each other grow beyond all measure with few bytes, as sizes do. */
  #spend(refs: readonly Ref[]): void {
    const {tensorBytes} = this.#budget;
    if (--this.#budget.nodes < 0)
      throw new ConvertError("CONVERT_LIMIT", `${this.scope}: the model has too many nodes`);
    for (const ref of refs) {
      const type = this.type(ref);
      if (!isDType(type.dtype) || leastSizeOfType(type) <= tensorBytes) continue;
      throw new ConvertError(
        "CONVERT_LIMIT",
        `${this.scope}: a value of at least ${leastSizeOfType(type)} bytes, expected at most ${tensorBytes}`,
      );
    }
  }

  /** Sizes are computed from others: beyond 32 bits they would begin again from below. */
  #checkInteger(value: number): void {
    if (value >= -(2 ** 31) && value < 2 ** 31) return;
    throw new ConvertError("CONVERT_LIMIT", `${this.scope}: a size of ${value}, expected at most ${2 ** 31 - 1}`);
  }

  #dim({ref, axis}: {readonly ref: Ref; readonly axis: number}): Dim {
    return this.shape(ref)[axis]!;
  }

  /** Dtypes and counts follow from the inputs; the rest are defaults. */
  #attributes(op: string, inputs: readonly Ref[], given: Attributes): Attributes {
    const definition = operatorDefinitions[op];
    if (definition === undefined) return given;
    const [parameters, , kinds] = definition;
    const found: Record<string, Attribute> = {};
    let next = 0;
    for (const parameter of parameters) {
      const spec = parameter.slice(parameter.indexOf(":") + 1);
      const [count, type] = spec.includes("*") ? (spec.split("*") as [string, string]) : [undefined, spec];
      // A run takes what is left for those behind it.
      const length = count === undefined ? 1 : inputs.length - (parameters.length - 1);
      if (count !== undefined) found[count] = length;
      for (const ref of inputs.slice(next, next + length)) {
        const {dtype} = this.type(ref);
        const known = type.startsWith("=") ? dtype : (found[type] ?? dtype);
        // Keras converts where layers here have to ask for it: never compute with one dtype what is of another.
        if (known !== dtype) throw layerUnsupported(this.scope, `${op} of ${String(known)} and ${dtype}`);
        if (!type.startsWith("=")) found[type] = dtype;
      }
      next += length;
    }
    for (const [key, [kind, fallback]] of Object.entries(kinds)) {
      if (Object.hasOwn(found, key) || fallback === "!" || fallback === null || fallback === undefined) continue;
      if (kind === "type") found[key] = registryNames[fallback as string] ?? (fallback as string);
      else if (!kind.startsWith("list(type")) found[key] = fallback as Attribute;
    }
    return {...found, ...given};
  }
}

/** Dtypes that the registry has other names for. */
const registryNames: Readonly<Record<string, string>> = {float: "float32", double: "float64", half: "float16"};
