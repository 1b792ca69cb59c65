/** Lowerings of matrix products and of Einsum. */
import {type Dim, isKnown, isStatic, type Shape, surelyEqual} from "../ir/dims.ts";
import type {Ref, TensorType} from "../ir/graph.ts";
import {booleanAttribute} from "../ir/operators.ts";
import {makeTensor} from "../ops/elements.ts";
import {product} from "../ops/shapes.ts";
import {einsumTerms} from "../ops/tf/neural.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";
import {ACTIVATION, channelsOf, zeros} from "./neural.ts";

/** Matrix products: FULLY_CONNECTED where the right side is constant (weights [out, in]), else BATCH_MATMUL. */
const matMul: Lowering = (n, b) => {
  const [left, right] = n.inputs;
  const [ta, tb] = [booleanAttribute(n.site, "transpose_a"), booleanAttribute(n.site, "transpose_b")];
  return matrixProduct(b, left!, right!, ta, tb, n.types[0]!);
};

function matrixProduct(b: Lowerer, left: Ref, right: Ref, ta: boolean, tb: boolean, type: TensorType): Ref {
  if (b.dtype(left) !== "float32") return integerProduct(b, left, right, ta, tb);
  const x = ta ? b.transpose(left, [1, 0]) : left;
  const rank = b.rank(x);
  if (b.constant(right) && b.rank(right) === 2 && rank <= 6 && product(b.shape(right)) !== 0) {
    const weights = tb ? right : b.transpose(right, [1, 0]);
    const attributes = {
      weightsFormat: "DEFAULT",
      keepNumDims: rank > 2,
      asymmetricQuantizeInputs: false,
      ...ACTIVATION,
    };
    const units = channelsOf(b, b.shape(weights)[0]!);
    return b.op("FULLY_CONNECTED", [x, weights, zeros(b, units)], attributes, {type});
  }
  return b.op("BATCH_MATMUL", [x, right], {adjX: false, adjY: tb, asymmetricQuantizeInputs: false}, {type});
}

/** Σ over k of a[…, m, k, 1]·b[…, 1, k, n]: exact for integers, which no kernel multiplies. */
function integerProduct(b: Lowerer, left: Ref, right: Ref, ta: boolean, tb: boolean): Ref {
  const turn = (x: Ref): Ref => {
    const rank = b.rank(x);
    return b.transpose(x, [...Array.from({length: rank - 2}, (_, i) => i), rank - 1, rank - 2]);
  };
  const [x, y] = [ta ? turn(left) : left, tb ? turn(right) : right];
  const [xs, ys] = [b.shape(x), b.shape(y)];
  const size = [...xs, ...ys.slice(-1)];
  if (isStatic(size) && (product(size) as number) > 1 << 24) return b.refuse("a large product of integers");
  const products = b.mul(b.reshape(x, [...xs, 1]), b.reshape(y, [...ys.slice(0, -2), 1, ...ys.slice(-2)]));
  return b.reduce("SUM", products, [b.rank(products) - 2], false);
}

const batchMatMul: Lowering = (n, b) => {
  const [x, y] = n.inputs;
  const [ta, tb] = [booleanAttribute(n.site, "adj_x"), booleanAttribute(n.site, "adj_y")];
  if (b.dtype(x!).startsWith("complex")) return b.refuse("complex numbers");
  if (b.dtype(x!) !== "float32") return integerProduct(b, x!, y!, ta, tb);
  const rank = Math.max(b.rank(x!), b.rank(y!));
  if (!ta && b.constant(y!) && b.rank(y!) === 2) return matrixProduct(b, x!, y!, false, tb, n.types[0]!);
  if (rank <= 5)
    return b.op("BATCH_MATMUL", [x!, y!], {adjX: ta, adjY: tb, asymmetricQuantizeInputs: false}, {type: n.types[0]!});
  // Equal leading dimensions are merged into one.
  const [xs, ys] = [b.shape(x!), b.shape(y!)];
  if (!isStatic(xs) || !isStatic(ys) || xs.slice(0, -2).join() !== ys.slice(0, -2).join())
    return b.refuse(`operands of rank ${rank}`);
  const batch = product(xs.slice(0, -2)) as number;
  const merged = b.op(
    "BATCH_MATMUL",
    [b.reshape(x!, [batch, ...xs.slice(-2)]), b.reshape(y!, [batch, ...ys.slice(-2)])],
    {adjX: ta, adjY: tb, asymmetricQuantizeInputs: false},
    {type: {dtype: "float32", shape: [batch, ...n.types[0]!.shape!.slice(-2)]}},
  );
  return b.reshape(merged, n.types[0]!.shape!);
};

/**
 * Einsum of one or two operands: TRANSPOSE, RESHAPE, BATCH_MATMUL, SUM. Labels fall into: batch (both sides and the
 * result), left and right (one side and the result), inner (both sides, not the result), and those that are summed first.
 */
const einsum: Lowering = (n, b) => {
  const terms = einsumTerms(n.site);
  if (terms === undefined) return b.refuse("the ranks of its operands aren't known");
  if (terms.inputs.length > 2) return b.refuse("more than two operands");
  const operands = n.inputs.map((ref, i) =>
    oneOfEach(
      b,
      ref,
      terms.inputs[i]!,
      (label) => terms.output.includes(label) || terms.inputs.some((term, k) => k !== i && term.includes(label)),
    ),
  );
  const [x, y] = operands;
  const {output} = terms;
  if (y === undefined) return orderLabels(b, x!, output);
  const common = [...x!.labels].filter((label) => y.labels.includes(label));
  const batch = [...output].filter((label) => common.includes(label));
  const inner = common.filter((label) => !output.includes(label));
  const left = [...output].filter((label) => x!.labels.includes(label) && !batch.includes(label));
  const right = [...output].filter((label) => y.labels.includes(label) && !batch.includes(label));
  if (inner.length === 0) {
    // Nothing is summed: a product with broadcasting.
    const wide = (side: Labelled) => {
      const own = [...output].filter((label) => side.labels.includes(label));
      const ordered = orderLabels(b, side, own.join(""));
      return b.reshape(
        ordered,
        [...output].map((label) => (side.labels.includes(label) ? sizeOf(b, side, label) : 1)),
      );
    };
    return b.mul(wide(x!), wide(y));
  }
  const sizes = (side: Labelled, labels: readonly string[]) => labels.map((label) => sizeOf(b, side, label));
  // TensorFlow has checked that equal labels have equal sizes, unless one of them is 1.
  if (batch.some((label) => mayBroadcast(sizeOf(b, x!, label), sizeOf(b, y, label))))
    return b.refuse("a label whose sizes differ");
  const matrix = (side: Labelled, rows: readonly string[], columns: readonly string[]) => {
    const ordered = orderLabels(b, side, [...batch, ...rows, ...columns].join(""));
    return b.reshape(ordered, [...sizes(side, batch), product(sizes(side, rows)), product(sizes(side, columns))]);
  };
  const [a, c] = [matrix(x!, left, inner), matrix(y, inner, right)];
  const shape: Shape = [...sizes(x!, batch), product(sizes(x!, left)), product(sizes(y, right))];
  if (shape.length > 5) return b.refuse("more than three batch labels");
  const isPlain = batch.length === 0;
  const result = isPlain
    ? matrixProduct(b, a, c, false, false, {dtype: b.dtype(a), shape})
    : b.dtype(a) === "float32"
      ? b.op(
          "BATCH_MATMUL",
          [a, c],
          {adjX: false, adjY: false, asymmetricQuantizeInputs: false},
          {type: {dtype: "float32", shape}},
        )
      : integerProduct(b, a, c, false, false);
  const spread = b.reshape(result, [...sizes(x!, batch), ...sizes(x!, left), ...sizes(y, right)]);
  return orderLabels(b, {ref: spread, labels: [...batch, ...left, ...right].join("")}, output);
};

const mayBroadcast = (p: Dim, q: Dim) => !surelyEqual(p, q) && (p === 1 || q === 1);

interface Labelled {
  readonly ref: Ref;
  readonly labels: string;
}

const sizeOf = (b: Lowerer, {ref, labels}: Labelled, label: string): Dim => b.shape(ref)[labels.indexOf(label)]!;

function orderLabels(b: Lowerer, {ref, labels}: Labelled, wanted: string): Ref {
  return b.transpose(
    ref,
    [...wanted].map((label) => labels.indexOf(label)),
  );
}

/** Sums what no other term has, and takes the diagonal of a repeated label. */
function oneOfEach(b: Lowerer, ref: Ref, term: string, isNeeded: (label: string) => boolean): Labelled {
  let labels = term;
  let value = ref;
  for (const label of new Set(term)) {
    const first = labels.indexOf(label);
    const last = labels.lastIndexOf(label);
    if (first === last) continue;
    const shape = b.shape(value);
    const size = shape[first]!;
    if (!isKnown(size) || labels.indexOf(label, first + 1) !== last) return b.refuse("a label that occurs three times");
    const mask = makeTensor("float32", [size, size], (i) => (Math.floor(i / size) === i % size ? 1 : 0));
    const wide = shape.map((_, axis) => (axis === first || axis === last ? size : 1));
    const shaped = b.cast(b.value(mask.reshape(wide)), b.dtype(value));
    value = b.reduce("SUM", b.mul(value, shaped), [last], false);
    labels = labels.slice(0, last) + labels.slice(last + 1);
  }
  const summed = [...labels].map((label, axis) => (isNeeded(label) ? -1 : axis)).filter((axis) => axis >= 0);
  value = b.reduce("SUM", value, summed, false);
  labels = [...labels].filter((_, axis) => !summed.includes(axis)).join("");
  return {ref: value, labels};
}

export const productLowerings: LoweringTable = {
  MatMul: matMul,
  BatchMatMul: batchMatMul,
  BatchMatMulV2: batchMatMul,
  BatchMatMulV3: batchMatMul,
  Einsum: einsum,
};
