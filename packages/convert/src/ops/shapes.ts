/** Shape arithmetic that both dialects share: pure functions over shapes whose dimensions may be unknown. */
import type {Tensor} from "@tf-trusted/tensor";
import {
  addDims,
  broadcastDims,
  ceilDivideDim,
  countElements,
  type Dim,
  divideDims,
  formatDims,
  isKnown,
  mergeDims,
  multiplyDims,
  type Shape,
  subtractDims,
  surelyDifferent,
  unknownDim,
} from "../ir/dims.ts";
import type {TensorType} from "../ir/graph.ts";
import {failAt, type Site} from "../ir/operators.ts";

/** Broadcasting of NumPy. Throws `CONVERT_SHAPE`. */
export function broadcastShapes(site: Site, ...shapes: readonly (Shape | undefined)[]): Shape | undefined {
  let result: Shape | undefined = [];
  for (const shape of shapes) {
    if (shape === undefined || result === undefined) return undefined;
    const rank: number = Math.max(shape.length, result.length);
    const next: Dim[] = [];
    for (let axis = 0; axis < rank; axis++) {
      const a: Dim = result[axis - rank + result.length] ?? 1;
      const b: Dim = shape[axis - rank + shape.length] ?? 1;
      const dim = broadcastDims(a, b);
      if (dim === undefined) {
        throw failAt(site, "CONVERT_SHAPE", `${formatDims(result)} and ${formatDims(shape)} don't broadcast`);
      }
      next.push(dim);
    }
    result = next;
  }
  return result;
}

/** `axis` counted from the front. Throws `CONVERT_SHAPE`. */
export function normalAxis(site: Site, axis: number, rank: number): number {
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  throw failAt(site, "CONVERT_SHAPE", `axis ${axis} of a tensor of rank ${rank}`);
}

/** The integers of a constant, `undefined` for what is computed. Throws `CONVERT_SHAPE` for other dtypes. */
export function integersOf(site: Site, index: number): number[] | undefined {
  const constant = site.constants[index];
  if (constant !== undefined) return integers(constant);
  const elements = site.inputs[index]?.elements;
  return elements?.every(isKnown) ? [...(elements as number[])] : undefined;
}

export function integers(tensor: Tensor): number[] {
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/** The elements of an integer operand, known or symbolic, `undefined` where not even their number is known. */
export function dimsOf(site: Site, index: number): readonly Dim[] | undefined {
  const type = site.inputs[index];
  if (type?.elements) return type.elements;
  const constant = site.constants[index];
  if (constant && constant.shape.length <= 1) return integers(constant);
  const length = type?.shape?.length === 0 ? 1 : type?.shape?.[0];
  if (type?.shape === undefined || type.shape.length > 1 || length === undefined || !isKnown(length)) return undefined;
  return length <= 64 ? Array.from({length}, () => unknownDim) : undefined;
}

export function reducedShape(
  site: Site,
  shape: Shape | undefined,
  axes: readonly number[] | undefined,
  keep: boolean,
): Shape | undefined {
  if (shape === undefined) return undefined;
  if (axes === undefined) return keep ? shape.map(() => unknownDim) : undefined;
  const reduced = new Set(axes.map((axis) => normalAxis(site, axis, shape.length)));
  return shape.flatMap((dim, axis) => (reduced.has(axis) ? (keep ? [1] : []) : [dim]));
}

/** The target of a RESHAPE with at most one -1 in `target`. Throws `CONVERT_SHAPE`. */
export function reshapedShape(site: Site, from: Shape | undefined, target: readonly Dim[]): Shape {
  const free = target.indexOf(-1);
  if (target.some((dim, axis) => isKnown(dim) && (dim < -1 || (dim === -1 && axis !== free)))) {
    throw failAt(site, "CONVERT_SHAPE", `can't reshape to ${formatDims(target)}`);
  }
  if (from === undefined) return target.map((dim) => (dim === -1 ? unknownDim : dim));
  const count = countElements(from);
  const rest = countElements(target.filter((_, axis) => axis !== free));
  if (free >= 0) {
    const missing = rest === 0 ? (count === 0 ? 0 : unknownDim) : divideDims(count, rest);
    if (isKnown(count) && isKnown(rest) && !isKnown(missing)) {
      throw failAt(site, "CONVERT_SHAPE", `can't reshape ${formatDims(from)} to ${formatDims(target)}`);
    }
    return target.map((dim, axis) => (axis === free ? missing : dim));
  }
  if (surelyDifferent(count, rest)) {
    throw failAt(site, "CONVERT_SHAPE", `can't reshape ${formatDims(from)} to ${formatDims(target)}`);
  }
  // One unknown size among known ones follows from the number of elements.
  const unknowns = target.filter((dim) => dim === unknownDim).length;
  if (unknowns !== 1) return target;
  const known = countElements(target.filter((dim) => dim !== unknownDim));
  return target.map((dim) => (dim === unknownDim && known !== 0 ? divideDims(count, known) : dim));
}

export function permutedShape(shape: Shape | undefined, permutation: readonly number[] | undefined): Shape | undefined {
  if (permutation === undefined) return shape?.map(() => unknownDim);
  return shape && permutation.map((axis) => shape[axis]!);
}

/** One spatial size of a convolution or pool. */
export function windowedDim(
  size: Dim,
  window: Dim,
  stride: number,
  dilation: number,
  padding: string,
  pads: readonly [number, number] = [0, 0],
): Dim {
  if (padding === "SAME") return ceilDivideDim(size, stride);
  if (!isKnown(window)) return unknownDim;
  const effective = (window - 1) * dilation + 1;
  const padded = addDims(size, pads[0] + pads[1]);
  const room = subtractDims(padded, effective - stride);
  return isKnown(room)
    ? Math.max(0, Math.floor(room / stride))
    : stride === 1
      ? room
      : ceilDivideDim(subtractDims(padded, effective - 1), stride);
}

export function concatenatedShape(site: Site, shapes: readonly (Shape | undefined)[], axis: number): Shape | undefined {
  const known = shapes.filter((shape) => shape !== undefined);
  const first = known[0];
  if (first === undefined) return undefined;
  const at = normalAxis(site, axis, first.length);
  return first.map((_, i) => {
    const dims = shapes.map((shape) => {
      if (shape === undefined) return unknownDim;
      if (shape.length !== first.length)
        throw failAt(site, "CONVERT_SHAPE", `ranks ${first.length} and ${shape.length}`);
      return shape[i]!;
    });
    if (i === at) return dims.reduce(addDims, 0);
    return dims.reduce((a, b) => {
      const merged = mergeDims(a, b);
      if (merged === undefined) throw failAt(site, "CONVERT_SHAPE", `sizes ${a} and ${b} of dimension ${i} differ`);
      return merged;
    });
  });
}

/** The masks and operands of StridedSlice, spelled out for each dimension of the input. */
export interface SliceStep {
  readonly begin: number | undefined;
  readonly end: number | undefined;
  readonly stride: number;
  /** The dimension is left out of the result. */
  readonly shrink: boolean;
  /** Which element of the operands tells of it, if any. */
  readonly operand: number | undefined;
}

export interface SliceSpec {
  /** One for each dimension of the input. */
  readonly steps: readonly SliceStep[];
  /** Dimensions of the result in order: an index into steps, or "new". */
  readonly result: readonly (number | "new")[];
}

export interface SliceMasks {
  readonly begin: number;
  readonly end: number;
  readonly ellipsis: number;
  readonly newAxis: number;
  readonly shrink: number;
}

/** Resolves the masks of StridedSlice for a known rank; `undefined` for operands of unknown length. */
export function sliceSpec(
  site: Site,
  rank: number,
  masks: SliceMasks,
  length: number,
  operands: {readonly begin?: readonly number[]; readonly end?: readonly number[]; readonly strides: readonly number[]},
): SliceSpec {
  const steps: SliceStep[] = [];
  const result: (number | "new")[] = [];
  const full = (): void => {
    result.push(steps.length);
    steps.push({begin: undefined, end: undefined, stride: 1, shrink: false, operand: undefined});
  };
  const has = (mask: number, i: number) => (mask & (1 << i)) !== 0;
  const consumed = Array.from({length}, (_, i) => i).filter(
    (i) => !has(masks.ellipsis, i) && !has(masks.newAxis, i),
  ).length;
  for (let i = 0; i < length; i++) {
    if (has(masks.ellipsis, i)) {
      for (let n = rank - consumed; n > 0; n--) full();
    } else if (has(masks.newAxis, i)) {
      result.push("new");
    } else {
      const shrink = has(masks.shrink, i);
      const begin = has(masks.begin, i) && !shrink ? undefined : (operands.begin?.[i] ?? Number.NaN);
      const end = has(masks.end, i) || shrink ? undefined : (operands.end?.[i] ?? Number.NaN);
      const stride = operands.strides[i] ?? 1;
      if (stride === 0) throw failAt(site, "CONVERT_SHAPE", "a stride of 0");
      if (!shrink) result.push(steps.length);
      steps.push({begin, end, stride, shrink, operand: i});
    }
  }
  while (steps.length < rank) full();
  if (steps.length > rank) throw failAt(site, "CONVERT_SHAPE", `${steps.length} indices into a tensor of rank ${rank}`);
  return {steps, result};
}

/** First index and number of elements of a slice of a dimension; NaN operands are not known. */
export function slicedRange(size: Dim, step: SliceStep): {readonly first: number; readonly count: Dim} {
  const {begin, end, stride} = step;
  if (step.shrink) return {first: isKnown(size) && begin! < 0 ? begin! + size : begin!, count: 1};
  if (Number.isNaN(begin) || Number.isNaN(end)) return {first: Number.NaN, count: unknownDim};
  if (isKnown(size)) {
    const clamp = (value: number, low: number, high: number) =>
      Math.min(Math.max(value < 0 ? value + size : value, low), high);
    const forward = stride > 0;
    const first =
      begin === undefined ? (forward ? 0 : size - 1) : clamp(begin, forward ? 0 : -1, forward ? size : size - 1);
    const last = end === undefined ? (forward ? size : -1) : clamp(end, forward ? 0 : -1, forward ? size : size - 1);
    return {first, count: Math.max(0, Math.ceil((last - first) / stride))};
  }
  const full = (begin === undefined || (stride > 0 && begin === 0)) && end === undefined;
  if (full && Math.abs(stride) === 1) return {first: 0, count: size};
  return {first: begin ?? 0, count: unknownDim};
}

export function slicedShape(shape: Shape, spec: SliceSpec): Shape {
  return spec.result.map((at) => (at === "new" ? 1 : slicedRange(shape[at]!, spec.steps[at]!).count));
}

export const sameShapes = (a: Shape | undefined, b: Shape | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.length === b.length &&
  a.every((dim, i) => dim === b[i] && dim !== unknownDim);

export const product = (dims: readonly Dim[]): Dim => dims.reduce(multiplyDims, 1);

/** A type with elements, where there are few enough of them. */
export function withElements(type: TensorType, elements: readonly Dim[] | undefined): TensorType {
  const integer = type.dtype === "int32" || type.dtype === "int64";
  if (!integer || elements === undefined || elements.length > 64) return type;
  if (elements.length > 0 && elements.every((dim) => dim === unknownDim)) return type;
  return {...type, elements};
}
