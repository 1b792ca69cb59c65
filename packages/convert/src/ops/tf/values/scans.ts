/** Values of running sums, segments and rows put together by index. */
import {type DType, dtypes, integerRange, type Tensor} from "@tf-trusted/tensor";
import {booleanAttribute, type Site} from "../../../ir/operators.ts";
import {isInt64, makeTensor, numbersOf} from "../../elements.ts";
import {integers, integersOf, normalAxis} from "../../shapes.ts";
import {alongAxis, countOf, forEach, type Values, type ValuesTable} from "./values.ts";

interface Step {
  readonly start: number;
  readonly step: (total: number, x: number) => number;
}

const logSum = (a: number, b: number): number => {
  const high = Math.max(a, b);
  return high === Number.NEGATIVE_INFINITY ? high : high + Math.log(Math.exp(a - high) + Math.exp(b - high));
};

const scans: Readonly<Record<string, Step>> = {
  Cumsum: {start: 0, step: (a, x) => a + x},
  Cumprod: {start: 1, step: (a, x) => a * x},
  CumulativeLogsumexp: {start: Number.NEGATIVE_INFINITY, step: logSum},
};

/** Numbers that a scan can compute with exactly enough: floats, and integers below 2^53. */
function summable(x: Tensor): ArrayLike<number> | undefined {
  const {kind} = dtypes[x.dtype];
  return kind === "string" || kind === "complex" || isInt64(x.dtype) ? undefined : numbersOf(x);
}

const kept = (dtype: DType) => (dtypes[dtype].kind === "float" ? (x: number) => x : (x: number) => x | 0);

function scan(site: Site, x: Tensor, {start, step}: Step): Tensor[] | undefined {
  const values = summable(x);
  const axis = integersOf(site, 1)?.[0];
  if (values === undefined || axis === undefined) return undefined;
  const {outer, size, inner} = alongAxis(x.shape, normalAxis(site, axis, x.shape.length));
  const [exclusive, reverse] = [booleanAttribute(site, "exclusive"), booleanAttribute(site, "reverse")];
  const keep = kept(x.dtype);
  const result = new Float64Array(x.size);
  for (let o = 0; o < outer; o++) {
    for (let k = 0; k < inner; k++) {
      let total = start;
      for (let turn = 0; turn < size; turn++) {
        const at = (o * size + (reverse ? size - 1 - turn : turn)) * inner + k;
        const next = keep(step(total, values[at]!));
        result[at] = exclusive ? total : next;
        total = next;
      }
    }
  }
  return [makeTensor(x.dtype, x.shape, (i) => result[i]!)];
}

interface Segment extends Step {
  readonly mean?: boolean;
  /** Of a segment without elements; an extreme of the dtype where it isn't told. */
  readonly empty: 0 | 1 | "lowest" | "highest";
}

const segments: Readonly<Record<string, Segment>> = {
  Sum: {start: 0, step: (a, x) => a + x, empty: 0},
  Mean: {start: 0, step: (a, x) => a + x, mean: true, empty: 0},
  Prod: {start: 1, step: (a, x) => a * x, empty: 1},
  Max: {start: Number.NEGATIVE_INFINITY, step: Math.max, empty: "lowest"},
  Min: {start: Number.POSITIVE_INFINITY, step: Math.min, empty: "highest"},
};

/** The finite ends of a dtype. */
const extremes: Readonly<Partial<Record<DType, readonly [lowest: number, highest: number]>>> = {
  float32: [-3.4028234663852886e38, 3.4028234663852886e38],
  float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
  float16: [-65504, 65504],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int16: [-32768, 32767],
  int8: [-128, 127],
  uint8: [0, 255],
  uint16: [0, 65535],
};

/** Rows of `x` by the segment that each belongs to; negative ids belong to none. */
function reduceSegments(x: Tensor, ids: Tensor, count: number, rule: Segment, sorted: boolean): Tensor[] | undefined {
  const values = summable(x);
  const extreme = extremes[x.dtype];
  if (values === undefined || extreme === undefined) return undefined;
  const owners = integers(ids);
  if (owners.some((owner) => owner >= count)) return undefined;
  const width = owners.length === 0 ? countOf(x.shape.slice(ids.shape.length)) : x.size / owners.length;
  const totals = new Float64Array(count * width).fill(rule.start);
  const members = new Array<number>(count).fill(0);
  const keep = kept(x.dtype);
  owners.forEach((owner, row) => {
    if (owner < 0) return;
    members[owner]!++;
    for (let k = 0; k < width; k++) {
      const at = owner * width + k;
      totals[at] = keep(rule.step(totals[at]!, values[row * width + k]!));
    }
  });
  // The sorted ones fill gaps with 0, or 1 for products.
  const gap =
    rule.empty === "lowest" || rule.empty === "highest"
      ? sorted
        ? 0
        : extreme[rule.empty === "lowest" ? 0 : 1]
      : rule.empty;
  return [
    makeTensor(x.dtype, [count, ...x.shape.slice(ids.shape.length)], (i) => {
      const segment = Math.floor(i / width);
      if (members[segment] === 0) return gap;
      return rule.mean ? totals[i]! / members[segment]! : totals[i]!;
    }),
  ];
}

const stitch: Values = {
  evaluate: (_, inputs) => {
    const count = inputs.length / 2;
    const [indices, data] = [inputs.slice(0, count), inputs.slice(count)];
    const places = indices.map(integers);
    const rows = places.flat().reduce((most, index) => Math.max(most, index + 1), 0);
    const row = data[0]!.shape.slice(indices[0]!.shape.length);
    const width = countOf(row);
    const parts = data.map(summable);
    if (!parts.every((part) => part !== undefined)) return undefined;
    const result = new Float64Array(rows * width);
    places.forEach((each, part) => {
      each.forEach((index, i) => {
        for (let k = 0; k < width; k++) result[index * width + k] = parts[part]![i * width + k]!;
      });
    });
    return [makeTensor(data[0]!.dtype, [rows, ...row], (i) => result[i]!)];
  },
  sizedByValues: true,
};

/** Reduction of what reduce.ts leaves: 64-bit integers, and the Euclidean norm. */
export function evaluateExactReduce(
  name: string,
  site: Site,
  x: Tensor,
  shape: readonly number[],
): Tensor[] | undefined {
  const axes = integersOf(site, 1);
  if (axes === undefined) return undefined;
  const reduced = new Set(axes.map((axis) => normalAxis(site, axis, x.shape.length)));
  const target = (i: number): number =>
    x.shape.reduce((at, size, axis) => {
      if (reduced.has(axis)) return at;
      return at * size + (Math.floor(i / countOf(x.shape.slice(axis + 1))) % size);
    }, 0);
  if (name === "EuclideanNorm") {
    const values = summable(x);
    if (values === undefined || dtypes[x.dtype].kind !== "float") return undefined;
    const sums = new Float64Array(countOf(shape));
    for (let i = 0; i < x.size; i++) sums[target(i)]! += values[i]! * values[i]!;
    return [makeTensor(x.dtype, shape, (i) => Math.sqrt(sums[i]!))];
  }
  const step = exact[name];
  if (step === undefined || !isInt64(x.dtype)) return undefined;
  const values = x.data as BigInt64Array;
  const totals = new Array<bigint | undefined>(countOf(shape)).fill(undefined);
  for (let i = 0; i < x.size; i++) {
    const at = target(i);
    totals[at] = totals[at] === undefined ? values[i]! : step(totals[at], values[i]!);
  }
  const each = BigInt(totals.length === 0 ? 1 : x.size / totals.length);
  const [lowest, highest] = integerRange(x.dtype) as readonly [bigint, bigint];
  const empties: Readonly<Record<string, bigint>> = {Prod: 1n, Sum: 0n, Max: lowest, Min: highest};
  const empty = empties[name];
  if (totals.includes(undefined) && empty === undefined) return undefined;
  return [
    makeTensor(x.dtype, shape, (i) => {
      const total = BigInt.asIntN(64, totals[i] ?? empty!);
      return name === "Mean" ? total / each : total;
    }),
  ];
}

const exact: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  Sum: (a, b) => a + b,
  Mean: (a, b) => a + b,
  Prod: (a, b) => a * b,
  Max: (a, b) => (a > b ? a : b),
  Min: (a, b) => (a < b ? a : b),
};

export const scanValues: ValuesTable = {
  ...forEach(scans, (step) => ({evaluate: (site, [x]) => scan(site, x!, step)})),
  ...Object.fromEntries(
    Object.entries(segments).flatMap(([name, rule]): [string, Values][] => [
      [
        `Segment${name}`,
        {
          evaluate: (_, [x, ids]) => reduceSegments(x!, ids!, (integers(ids!).at(-1) ?? -1) + 1, rule, true),
          sizedByValues: true,
        },
      ],
      [
        `UnsortedSegment${name}`,
        {evaluate: (_, [x, ids, count]) => reduceSegments(x!, ids!, integers(count!)[0]!, rule, false)},
      ],
    ]),
  ),
  EuclideanNorm: {
    evaluate: (site, [x], [type]) => evaluateExactReduce("EuclideanNorm", site, x!, type!.shape as number[]),
  },
  DynamicStitch: stitch,
  ParallelDynamicStitch: stitch,
  ParallelConcat: {
    evaluate: (_, inputs, [type]) => {
      const width = inputs[0]!.size;
      const whole = inputs.map(summable);
      if (!whole.every((part) => part !== undefined)) return undefined;
      return [makeTensor(inputs[0]!.dtype, type!.shape as number[], (i) => whole[Math.floor(i / width)]![i % width]!)];
    },
  },
  SparseSoftmaxCrossEntropyWithLogits: {
    evaluate: (_, [logits, labels]) => {
      const values = numbersOf(logits!);
      const classes = logits!.shape.at(-1)!;
      const wanted = integers(labels!);
      if (wanted.some((label) => label < 0 || label >= classes)) return undefined;
      const sums = wanted.map((__, row) => {
        const own = Array.from({length: classes}, (___, c) => values[row * classes + c]!);
        const high = Math.max(...own);
        return high + Math.log(own.reduce((total, each) => total + Math.exp(each - high), 0));
      });
      return [
        makeTensor(logits!.dtype, labels!.shape, (row) => sums[row]! - values[row * classes + wanted[row]!]!),
        makeTensor(logits!.dtype, logits!.shape, (i) => {
          const row = Math.floor(i / classes);
          return Math.exp(values[i]! - sums[row]!) - (i % classes === wanted[row] ? 1 : 0);
        }),
      ];
    },
  },
};
