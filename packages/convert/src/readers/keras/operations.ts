/** Operations in functional graphs: `keras.ops` of Keras 3, functions of TensorFlow in Keras 2. One row each. */
import {type DType, isDType, type Tensor} from "@tf-trusted/tensor";
import type {Ref} from "../../ir/graph.ts";
import {makeTensor} from "../../ops/elements.ts";
import {activateBy, isActivation} from "./activations.ts";
import {type Config, isObject, short} from "./config.ts";
import type {KerasBuilder} from "./keras-builder.ts";
import {Value} from "./layer.ts";

/** A call of an operation: arguments by place or name, then what the configuration says. */
export class OperationSite {
  readonly b: KerasBuilder;
  readonly config: Config;
  /** A function of TensorFlow rather than an operation of Keras. */
  readonly isTensorflow: boolean;
  readonly #args: readonly unknown[];
  readonly #kwargs: Readonly<Record<string, unknown>>;

  constructor(
    b: KerasBuilder,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    config: Config,
    isTensorflow = false,
  ) {
    this.isTensorflow = isTensorflow;
    this.b = b;
    this.config = config;
    this.#args = args;
    this.#kwargs = kwargs;
  }

  /** What is given, `undefined` where nothing is. */
  argument(place: number, ...names: readonly string[]): unknown {
    if (place >= 0 && this.#args[place] !== undefined) return this.#args[place];
    const name = names.find((each) => this.#kwargs[each] !== undefined);
    if (name !== undefined) return this.#kwargs[name];
    return this.config.get(names.find((each) => this.config.get(each) !== undefined) ?? "");
  }

  tensor(place: number, ...names: readonly string[]): Ref {
    const value = this.argument(place, ...names);
    if (value instanceof Value) return value.ref;
    const constant = constantOf(value);
    if (constant !== undefined) return this.b.value(constant);
    throw this.config.error(`argument ${place} (${names.join(" or ")}) is ${short(value)}, expected a tensor`);
  }

  /** Two operands brought to one dtype, by Keras' rules as far as they say nothing surprising. */
  operands(): readonly [Ref, Ref] {
    const {b} = this;
    const values = [this.argument(0, "x1", "x", "a", "y_true"), this.argument(1, "x2", "y", "b")];
    const like = values.find((value) => value instanceof Value);
    const refs = values.map((value, i): Ref => {
      if (value instanceof Value) return value.ref;
      // A plain number takes the dtype of the tensor, unless it has a fraction and that is of integers.
      if (typeof value === "number" && like !== undefined) {
        const isWhole = Number.isInteger(value) || b.isFloat(like.ref);
        return b.scalar(value, isWhole ? b.dtype(like.ref) : "float32");
      }
      const constant = constantOf(value);
      if (constant === undefined) throw this.config.error(`operand ${i} is ${short(value)}`);
      const made = b.value(constant);
      return like !== undefined && b.isFloat(like.ref) ? b.cast(made, b.dtype(like.ref)) : made;
    });
    return this.#sameDType(refs as [Ref, Ref]);
  }

  #sameDType([x, y]: readonly [Ref, Ref]): readonly [Ref, Ref] {
    const {b} = this;
    const [p, q] = [b.dtype(x), b.dtype(y)];
    if (p === q) return [x, y];
    if (b.isFloat(x) !== b.isFloat(y)) {
      const dtype = b.isFloat(x) ? p : q;
      return [b.cast(x, dtype), b.cast(y, dtype)];
    }
    if (p === "bool" || q === "bool") return p === "bool" ? [b.cast(x, q), y] : [x, b.cast(y, p)];
    throw this.config.unsupported(`operands of ${p} and ${q}`);
  }

  /** Places of axes from the front; all where none is said. */
  axes(x: Ref, place = 1): readonly number[] {
    const value = this.argument(place, "axis", "axes");
    const rank = this.b.rank(x);
    if (value === undefined || value === null) return Array.from({length: rank}, (_, i) => i);
    const list = Array.isArray(value) ? value : [value];
    return list.map((axis: unknown) => {
      if (!Number.isSafeInteger(axis) || Math.abs(axis as number) > rank)
        throw this.config.error(`its axis is ${short(value)}`);
      return (axis as number) < 0 ? (axis as number) + rank : (axis as number);
    });
  }

  integer(place: number, name: string, fallback?: number): number {
    const value = this.argument(place, name) ?? fallback;
    if (Number.isSafeInteger(value)) return value as number;
    throw this.config.error(`${name} is ${short(value)}, expected a whole number`);
  }

  integers(place: number, ...names: readonly string[]): readonly number[] {
    const value = this.argument(place, ...names);
    const list = Array.isArray(value) ? value : [value];
    if (list.every((each) => Number.isSafeInteger(each))) return list as number[];
    throw this.config.error(`${names[0]} is ${short(value)}, expected whole numbers`);
  }

  flag(place: number, ...names: readonly string[]): boolean {
    const value = this.argument(place, ...names);
    return value === true;
  }

  tensors(place: number, ...names: readonly string[]): readonly Ref[] {
    const value = this.argument(place, ...names);
    if (!Array.isArray(value) || value.length === 0) {
      throw this.config.error(`${names[0]} is ${short(value)}, expected a list of tensors`);
    }
    return value.map((each: unknown) => {
      if (each instanceof Value) return each.ref;
      const constant = constantOf(each);
      if (constant === undefined) throw this.config.error(`${names[0]} holds ${short(each)}`);
      return this.b.value(constant);
    });
  }
}

type Operation = (site: OperationSite) => Ref | readonly Ref[];

const unary =
  (op: string): Operation =>
  (site) =>
    site.b.tf(op, [site.tensor(0, "x", "input", "features", "inputs")]);

const binary =
  (op: string): Operation =>
  (site) =>
    site.b.tf(op, site.operands());

/** Numbers count as true where they aren't zero. */
const logical =
  (op: string): Operation =>
  (site) => {
    const {b} = site;
    const refs = site
      .operands()
      .map((ref) => (b.dtype(ref) === "bool" ? ref : b.tf("NotEqual", [ref, b.like(0, ref)])));
    return b.tf(op, refs);
  };

/** Zeros or ones in the shape of a tensor, of its dtype or another. */
const filled =
  (op: string): Operation =>
  (site) => {
    const like = site.b.tf(op, [site.tensor(0, "x", "input")]);
    const dtype = site.argument(1, "dtype");
    if (dtype === undefined || dtype === null) return like;
    if (typeof dtype === "string" && isDType(dtype) && dtype !== "string") return site.b.cast(like, dtype);
    throw site.config.unsupported(`a dtype ${short(dtype)}`);
  };

/** Of floats: integers are cast, as NumPy does. */
const floatUnary =
  (op: string): Operation =>
  (site) => {
    const x = site.tensor(0, "x", "input");
    return site.b.tf(op, [site.b.isFloat(x) ? x : site.b.cast(x, "float32")]);
  };

const reduction =
  (op: string): Operation =>
  (site) => {
    const {b} = site;
    const x = site.tensor(0, "x", "input_tensor", "a");
    const isMean = op === "Mean";
    if (!b.isFloat(x) && op !== "Max" && op !== "Min" && op !== "Any" && op !== "All") {
      if (!isMean) throw site.config.unsupported(`a ${op} of integers`);
    }
    const axes = site.axes(x);
    const input = isMean && !b.isFloat(x) ? b.cast(x, "float32") : x;
    return b.reduce(op, input, axes, site.flag(2, "keepdims", "keep_dims"));
  };

const divide: Operation = (site) => {
  const {b} = site;
  const [x, y] = site.operands();
  return b.isFloat(x) ? b.div(x, y) : b.div(b.cast(x, "float32"), b.cast(y, "float32"));
};

function reshape(site: OperationSite): Ref {
  const {b} = site;
  const x = site.tensor(0, "x", "tensor");
  const shape = site.argument(1, "newshape", "shape");
  if (!Array.isArray(shape)) throw site.config.error(`its shape is ${short(shape)}`);
  const open = shape.filter((size) => size === null || size === -1).length;
  if (open > 1) throw site.config.unsupported("a shape of two open sizes");
  if (shape.every((size) => size === null || Number.isSafeInteger(size))) {
    return b.tf("Reshape", [x, b.ints(shape.map((size: number | null) => size ?? -1))]);
  }
  const parts = shape.map((size: unknown) =>
    size instanceof Value ? b.cast(size.ref, "int32") : b.scalar(typeof size === "number" ? size : -1, "int32"),
  );
  return b.tf("Reshape", [x, b.tf("Pack", parts, {axis: 0})]);
}

interface SliceArgument {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number | null;
}

/** `x[…]`: whole numbers, slices, ellipsis and new axes. */
function getItem(site: OperationSite): Ref {
  const {b} = site;
  const x = site.tensor(0, "x", "tensor");
  const key = site.argument(1, "key", "slice_spec");
  const list = Array.isArray(key) ? key : [key];
  const spec = {
    begin: [] as number[],
    end: [] as number[],
    strides: [] as number[],
    begin_mask: 0,
    end_mask: 0,
    ellipsis_mask: 0,
    new_axis_mask: 0,
    shrink_axis_mask: 0,
  };
  list.forEach((each: unknown, i) => {
    const bit = 1 << i;
    const push = (begin: number, end: number, stride: number) => {
      spec.begin.push(begin);
      spec.end.push(end);
      spec.strides.push(stride);
    };
    const slice = sliceOf(each);
    if (isEllipsis(each)) {
      spec.ellipsis_mask |= bit;
      push(0, 0, 1);
    } else if (each === null || isNewAxis(each)) {
      spec.new_axis_mask |= bit;
      push(0, 0, 1);
    } else if (Number.isSafeInteger(each)) {
      spec.shrink_axis_mask |= bit;
      push(each as number, (each as number) + 1, 1);
      if (each === -1) spec.end_mask |= bit;
    } else if (slice !== undefined) {
      if (slice.start === null) spec.begin_mask |= bit;
      if (slice.stop === null) spec.end_mask |= bit;
      push(slice.start ?? 0, slice.stop ?? 0, slice.step ?? 1);
    } else {
      throw site.config.unsupported(`an index ${short(each)}`);
    }
  });
  const {begin, end, strides, ...masks} = spec;
  return b.tf("StridedSlice", [x, b.ints(begin), b.ints(end), b.ints(strides)], masks);
}

const isEllipsis = (value: unknown): boolean => isObject(value) && value.class_name === "__ellipsis__";
const isNewAxis = (value: unknown): boolean => isObject(value) && value.class_name === "__newaxis__";

function sliceOf(value: unknown): SliceArgument | undefined {
  if (!isObject(value)) return undefined;
  const config = value.class_name === "__slice__" && isObject(value.config) ? value.config : value;
  const part = (key: string) => config[key] ?? null;
  const isPart = (each: unknown): each is number | null => each === null || Number.isSafeInteger(each);
  const [start, stop, step] = [part("start"), part("stop"), part("step")];
  const isSlice = value.class_name === "__slice__" || "start" in value || "stop" in value;
  return isSlice && isPart(start) && isPart(stop) && isPart(step) ? {start, stop, step} : undefined;
}

function concat(site: OperationSite): Ref {
  return site.b.concat(site.tensors(0, "xs", "values"), site.integer(1, "axis", 0));
}

function stack(site: OperationSite): Ref {
  return site.b.tf("Pack", site.tensors(0, "x", "values"), {axis: site.integer(1, "axis", 0)});
}

function cast(site: OperationSite): Ref {
  const dtype = site.argument(1, "dtype");
  const name = isObject(dtype) && isObject(dtype.config) ? dtype.config.name : dtype;
  if (typeof name !== "string" || !isDType(name)) throw site.config.unsupported(`a cast to ${short(dtype)}`);
  return site.b.cast(site.tensor(0, "x", "tensor"), name as DType);
}

function matmul(site: OperationSite): Ref {
  const {b} = site;
  const [x, y] = site.operands();
  const adjoint = {adj_x: site.flag(-1, "transpose_a"), adj_y: site.flag(-1, "transpose_b")};
  if (b.rank(x) < 2 || b.rank(y) < 2) throw site.config.unsupported("a product of vectors");
  if (b.rank(x) === 2 && b.rank(y) === 2) {
    return b.tf("MatMul", [x, y], {transpose_a: adjoint.adj_x, transpose_b: adjoint.adj_y});
  }
  return b.tf("BatchMatMulV2", [x, y], adjoint);
}

function transpose(site: OperationSite): Ref {
  const {b} = site;
  const x = site.tensor(0, "x", "a");
  const axes = site.argument(1, "axes", "perm");
  const permutation =
    axes === undefined || axes === null ? Array.from({length: b.rank(x)}, (_, i) => b.rank(x) - 1 - i) : site.axes(x);
  return b.transpose(
    x,
    Array.isArray(axes) ? axes.map((axis: number) => (axis < 0 ? axis + b.rank(x) : axis)) : permutation,
  );
}

function squeeze(site: OperationSite): Ref {
  const x = site.tensor(0, "x", "input");
  const value = site.argument(1, "axis");
  return site.b.squeeze(x, value === undefined || value === null ? [] : site.axes(x));
}

function split(site: OperationSite): readonly Ref[] {
  const {b} = site;
  const x = site.tensor(0, "x", "value");
  const count = site.argument(1, "indices_or_sections", "num_or_size_splits");
  const axis = site.integer(2, "axis", 0);
  if (Number.isSafeInteger(count)) return b.split(x, count as number, axis);
  throw site.config.unsupported(`a split at ${short(count)}`);
}

function where(site: OperationSite): Ref {
  const {b} = site;
  const condition = site.tensor(0, "condition");
  const [x, y] = new OperationSite(
    b,
    [site.argument(1, "x1", "x"), site.argument(2, "x2", "y")],
    {},
    site.config,
  ).operands();
  return b.select(condition, x, y);
}

function clip(site: OperationSite): Ref {
  const {b} = site;
  const x = site.tensor(0, "x", "t");
  const bound = (place: number, ...names: string[]) => {
    const value = site.argument(place, ...names);
    if (typeof value !== "number") throw site.config.unsupported(`the bound ${short(value)}`);
    return b.like(value, x);
  };
  return b.tf("Minimum", [
    b.tf("Maximum", [x, bound(1, "x_min", "clip_value_min")]),
    bound(2, "x_max", "clip_value_max"),
  ]);
}

const arg =
  (op: string): Operation =>
  (site) => {
    const {b} = site;
    const x = site.tensor(0, "x", "input");
    if (site.flag(-1, "keepdims")) throw site.config.unsupported("keepdims=true");
    // Keras gives int32, TensorFlow int64 unless it is told.
    const told = site.argument(-1, "output_type");
    const type = site.isTensorflow ? (told ?? "int64") : "int32";
    if (type !== "int32" && type !== "int64") throw site.config.unsupported(`output_type=${short(told)}`);
    return b.tf(op, [x, b.scalar(site.integer(1, "axis"), "int32")], {output_type: type});
  };

function take(site: OperationSite): Ref {
  const {b} = site;
  const axis = site.argument(2, "axis");
  if (typeof axis !== "number") throw site.config.unsupported("taking from all elements");
  return b.tf("GatherV2", [site.tensor(0, "x", "params"), site.tensor(1, "indices"), b.scalar(axis, "int32")]);
}

/** The equation stands first in TensorFlow, and apart in Keras 3. */
function einsum(site: OperationSite): Ref {
  const first = site.argument(0);
  const equation = typeof first === "string" ? first : site.argument(-1, "subscripts", "equation");
  if (typeof equation !== "string") throw site.config.error("it has no subscripts");
  const refs: Ref[] = [];
  for (let place = typeof first === "string" ? 1 : 0; site.argument(place) !== undefined; place++) {
    refs.push(site.tensor(place));
  }
  if (refs.length === 0) throw site.config.error("it has no operands");
  return site.b.tf("Einsum", refs, {equation});
}

/** keras.ops and the functions of TensorFlow that Keras 2 wraps, by one name for both. */
const operations: Readonly<Record<string, Operation>> = {
  Add: binary("AddV2"),
  Subtract: binary("Sub"),
  Multiply: binary("Mul"),
  Divide: divide,
  TrueDivide: divide,
  FloorDivide: binary("FloorDiv"),
  Mod: binary("FloorMod"),
  Power: binary("Pow"),
  Maximum: binary("Maximum"),
  Minimum: binary("Minimum"),
  Equal: binary("Equal"),
  NotEqual: binary("NotEqual"),
  Less: binary("Less"),
  LessEqual: binary("LessEqual"),
  Greater: binary("Greater"),
  GreaterEqual: binary("GreaterEqual"),
  LogicalAnd: logical("LogicalAnd"),
  LogicalOr: logical("LogicalOr"),
  LogicalNot: unary("LogicalNot"),
  Negative: unary("Neg"),
  Absolute: unary("Abs"),
  Abs: unary("Abs"),
  Sign: unary("Sign"),
  Square: unary("Square"),
  Floor: floatUnary("Floor"),
  Ceil: floatUnary("Ceil"),
  Sqrt: floatUnary("Sqrt"),
  Rsqrt: floatUnary("Rsqrt"),
  Exp: floatUnary("Exp"),
  Expm1: floatUnary("Expm1"),
  Log: floatUnary("Log"),
  Log1p: floatUnary("Log1p"),
  Sin: floatUnary("Sin"),
  Cos: floatUnary("Cos"),
  Tan: floatUnary("Tan"),
  Sinh: floatUnary("Sinh"),
  Cosh: floatUnary("Cosh"),
  Arctan: floatUnary("Atan"),
  Erf: floatUnary("Erf"),
  Reciprocal: floatUnary("Reciprocal"),
  Isnan: unary("IsNan"),
  Isfinite: unary("IsFinite"),
  Sum: reduction("Sum"),
  Mean: reduction("Mean"),
  Max: reduction("Max"),
  Min: reduction("Min"),
  Prod: reduction("Prod"),
  Any: reduction("Any"),
  All: reduction("All"),
  Reshape: reshape,
  GetItem: getItem,
  Concatenate: concat,
  Stack: stack,
  Cast: cast,
  Matmul: matmul,
  Transpose: transpose,
  ExpandDims: (site) => site.b.expand(site.tensor(0, "x", "input"), site.integer(1, "axis")),
  Squeeze: squeeze,
  Split: split,
  Where: where,
  Clip: clip,
  Argmax: arg("ArgMax"),
  Argmin: arg("ArgMin"),
  Take: take,
  Einsum: einsum,
  Tile: (site) =>
    site.b.tf("Tile", [site.tensor(0, "x", "input"), site.b.ints(site.integers(1, "repeats", "multiples"))]),
  Flip: (site) => {
    const x = site.tensor(0, "x");
    return site.b.tf("ReverseV2", [x, site.b.ints(site.axes(x))]);
  },
  ZerosLike: filled("ZerosLike"),
  OnesLike: filled("OnesLike"),
  StopGradient: unary("Identity"),
  Identity: unary("Identity"),
  Softmax: (site) => activateBy(site.b, lastAxis(site), "softmax", site.config, 3),
  LogSoftmax: (site) => activateBy(site.b, lastAxis(site), "log_softmax", site.config, 3),
};

/** Softmax by other axes is for the layer. */
function lastAxis(site: OperationSite): Ref {
  const x = site.tensor(0, "x", "logits");
  const axis = site.argument(1, "axis") ?? -1;
  if (axis !== -1 && axis !== site.b.rank(x) - 1)
    throw site.config.unsupported(`a softmax over the axis ${short(axis)}`);
  return x;
}

/** Activations of keras.ops are classes: `Relu`, `LeakyRelu`, `HardSigmoid`. */
const activationNames: Readonly<Record<string, string>> = {
  Relu: "relu",
  ReLU: "relu",
  Relu6: "relu6",
  Sigmoid: "sigmoid",
  Tanh: "tanh",
  Silu: "silu",
  Softplus: "softplus",
  Softsign: "softsign",
  Elu: "elu",
  Selu: "selu",
  HardSigmoid: "hard_sigmoid",
  HardSilu: "hard_silu",
  LogSigmoid: "log_sigmoid",
  LeakyRelu: "leaky_relu",
};

/** Functions of TensorFlow as Keras 2 names them, and the operations that they are. */
const tensorflowFunctions: Readonly<Record<string, string>> = {
  "math.add": "Add",
  "__operators__.add": "Add",
  "math.subtract": "Subtract",
  "__operators__.sub": "Subtract",
  "math.multiply": "Multiply",
  "__operators__.mul": "Multiply",
  "math.divide": "Divide",
  "math.truediv": "Divide",
  "__operators__.truediv": "Divide",
  "math.pow": "Power",
  "math.maximum": "Maximum",
  "math.minimum": "Minimum",
  "math.negative": "Negative",
  "math.abs": "Abs",
  "math.square": "Square",
  "math.sqrt": "Sqrt",
  "math.rsqrt": "Rsqrt",
  "math.exp": "Exp",
  "math.log": "Log",
  "math.tanh": "Tanh",
  "math.sigmoid": "Sigmoid",
  "math.reduce_sum": "Sum",
  "math.reduce_mean": "Mean",
  "math.reduce_max": "Max",
  "math.reduce_min": "Min",
  "math.not_equal": "NotEqual",
  "math.equal": "Equal",
  "math.greater": "Greater",
  "math.less": "Less",
  "math.argmax": "Argmax",
  "math.argmin": "Argmin",
  "math.reduce_prod": "Prod",
  "math.reduce_any": "Any",
  "math.reduce_all": "All",
  "math.greater_equal": "GreaterEqual",
  "math.less_equal": "LessEqual",
  "math.logical_and": "LogicalAnd",
  "math.logical_or": "LogicalOr",
  "math.logical_not": "LogicalNot",
  "math.floor": "Floor",
  "math.ceil": "Ceil",
  "math.sin": "Sin",
  "math.cos": "Cos",
  "math.erf": "Erf",
  "math.softplus": "Softplus",
  "math.floormod": "Mod",
  "__operators__.neg": "Negative",
  "__operators__.pow": "Power",
  "__operators__.gt": "Greater",
  "__operators__.ge": "GreaterEqual",
  "__operators__.lt": "Less",
  "__operators__.le": "LessEqual",
  "__operators__.ne": "NotEqual",
  "__operators__.eq": "Equal",
  clip_by_value: "Clip",
  einsum: "Einsum",
  split: "Split",
  where: "Where",
  zeros_like: "ZerosLike",
  ones_like: "OnesLike",
  tile: "Tile",
  identity: "Identity",
  stop_gradient: "StopGradient",
  "nn.sigmoid": "Sigmoid",
  "nn.tanh": "Tanh",
  "nn.elu": "Elu",
  "nn.selu": "Selu",
  "nn.log_softmax": "LogSoftmax",
  "linalg.matmul": "Matmul",
  reshape: "Reshape",
  transpose: "Transpose",
  concat: "Concatenate",
  stack: "Stack",
  expand_dims: "ExpandDims",
  squeeze: "Squeeze",
  cast: "Cast",
  "compat.v1.transpose": "Transpose",
  "compat.v1.squeeze": "Squeeze",
  "nn.relu": "Relu",
  "nn.relu6": "Relu6",
  "nn.softmax": "Softmax",
  "nn.silu": "Silu",
  "__operators__.getitem": "GetItem",
};

export const isOperation = (name: string): boolean =>
  Object.hasOwn(operations, name) || Object.hasOwn(activationNames, name);

/** Throws `CONVERT_LAYER_UNSUPPORTED` for operations that aren't here. */
export function applyOperation(
  b: KerasBuilder,
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  config: Config,
): readonly Value[] {
  const called = name.startsWith("function ")
    ? tensorflowFunctions[name.slice("function ".length).replace(/^tf\./, "")]
    : name;
  const site = new OperationSite(b, args, kwargs, config, name.startsWith("function "));
  const activation =
    called !== undefined && Object.hasOwn(activationNames, called) ? activationNames[called] : undefined;
  if (activation !== undefined && isActivation(activation)) {
    const options = {class_name: "function", config: activation};
    if (
      ["negative_slope", "max_value", "threshold", "alpha"].some(
        (key) => config.has(key) && (activation === "relu" || activation === "elu"),
      )
    ) {
      throw config.unsupported(`options of ${called}`);
    }
    const x = site.tensor(0, "x", "features");
    if (activation === "leaky_relu")
      return [new Value(b.tf("LeakyRelu", [x], {alpha: config.number("negative_slope", 0.2)}))];
    return [new Value(activateBy(b, x, options, config, 3))];
  }
  const operation = called !== undefined && Object.hasOwn(operations, called) ? operations[called] : undefined;
  if (operation === undefined) throw config.unsupported(`the operation ${name}`);
  const results = operation(site);
  return (typeof results === "string" ? [results] : results).map((ref) => new Value(ref));
}

/** Numbers in arguments: plain, nested lists, or a tensor that Keras wrote as such. */
function constantOf(value: unknown): Tensor | undefined {
  const isTensor =
    isObject(value) &&
    (value.class_name === "__tensor__" || value.class_name === "__numpy__") &&
    isObject(value.config);
  const inner = isTensor
    ? (value.config as {readonly value?: unknown; readonly dtype?: unknown})
    : {value, dtype: undefined};
  const shape: number[] = [];
  for (let level = inner.value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat: unknown[] = Array.isArray(inner.value) ? (inner.value as unknown[]).flat(shape.length) : [inner.value];
  const count = shape.reduce((p, q) => p * q, 1);
  const isNumbers = flat.every((each) => typeof each === "number" || typeof each === "boolean");
  if (!isNumbers || flat.length !== count) return undefined;
  const whole = flat.every((each) => Number.isSafeInteger(each));
  const dtype =
    typeof inner.dtype === "string" && isDType(inner.dtype)
      ? inner.dtype
      : flat.every((each) => typeof each === "boolean")
        ? "bool"
        : whole
          ? "int32"
          : "float32";
  if (dtype === "string") return undefined;
  return makeTensor(dtype, shape, (i) => Number(flat[i]));
}
