/** Values of operators that order, search and count. Of equal elements the first comes first, as in TensorFlow. */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import {
  booleanAttribute,
  numberAttribute,
  numbersAttribute,
  type Site,
  stringAttribute,
} from "../../../ir/operators.ts";
import {gatherElements, makeTensor, numbersOf} from "../../elements.ts";
import {integers, integersOf, normalAxis} from "../../shapes.ts";
import {alongAxis, countOf, type Values, type ValuesTable} from "./values.ts";

type Numeric = number | bigint;

/** Elements that can be compared exactly. */
function ordered(x: Tensor): ArrayLike<Numeric> | undefined {
  const {kind} = dtypes[x.dtype];
  if (kind === "string" || kind === "complex") return undefined;
  return x.dtype === "int64" || x.dtype === "uint64" ? (x.data as ArrayLike<bigint>) : numbersOf(x);
}

const compare = (a: Numeric, b: Numeric): number => (a < b ? -1 : a > b ? 1 : 0);

const argument = (isBetter: (a: Numeric, b: Numeric) => boolean): Values => ({
  evaluate: (site, [x], [type]) => {
    const values = ordered(x!);
    const axis = integersOf(site, 1)?.[0] ?? 0;
    if (values === undefined) return undefined;
    const {size, inner} = alongAxis(x!.shape, normalAxis(site, axis, x!.shape.length));
    return [
      makeTensor(type!.dtype as DType, type!.shape as number[], (i) => {
        const start = Math.floor(i / inner) * size * inner + (i % inner);
        let best = 0;
        for (let k = 1; k < size; k++)
          if (isBetter(values[start + k * inner]!, values[start + best * inner]!)) best = k;
        return best;
      }),
    ];
  },
});

/** Places in one row, greatest element first. */
function descending(values: ArrayLike<Numeric>, from: number, size: number): number[] {
  return Array.from({length: size}, (_, i) => i).sort((i, j) => compare(values[from + j]!, values[from + i]!) || i - j);
}

const top: Values = {
  evaluate: (site, [x], [, type]) => {
    const values = ordered(x!);
    const k = integersOf(site, 1)?.[0] ?? numberAttribute(site, "k", 0);
    const size = x!.shape.at(-1)!;
    if (values === undefined || k < 0 || k > size) return undefined;
    const rows = size === 0 ? 0 : x!.size / size;
    const places = Array.from({length: rows}, (_, row) => descending(values, row * size, size).slice(0, k)).flat();
    const shape = [...x!.shape.slice(0, -1), k];
    return [
      gatherElements(x!, shape, (i) => Math.floor(i / k) * size + places[i]!),
      makeTensor((type?.dtype ?? "int32") as DType, shape, (i) => places[i]!),
    ];
  },
};

const nth: Values = {
  evaluate: (site, [x], [type]) => {
    const values = ordered(x!);
    const n = integersOf(site, 1)?.[0];
    const size = x!.shape.at(-1)!;
    if (values === undefined || n === undefined || n < 0 || n >= size) return undefined;
    const place = booleanAttribute(site, "reverse") ? n : size - 1 - n;
    return [
      gatherElements(x!, type!.shape as number[], (row) => row * size + descending(values, row * size, size)[place]!),
    ];
  },
};

/** A target is among the first k unless k others are greater; not where it, or a prediction, isn't finite. */
const inTop: Values = {
  evaluate: (site, [predictions, targets]) => {
    const k = integersOf(site, 2)?.[0] ?? numberAttribute(site, "k", 0);
    const values = numbersOf(predictions!);
    const classes = predictions!.shape[1]!;
    const wanted = integers(targets!);
    return [
      makeTensor("bool", targets!.shape, (row) => {
        const target = values[row * classes + wanted[row]!];
        if (!(wanted[row]! >= 0 && wanted[row]! < classes) || !Number.isFinite(target!)) return 0;
        let greater = 0;
        for (let c = 0; c < classes; c++) {
          const each = values[row * classes + c]!;
          if (!Number.isFinite(each)) return 0;
          if (each > target!) greater++;
        }
        return greater < k ? 1 : 0;
      }),
    ];
  },
};

/** How many elements of each sorted row come before a value. */
const bound = (isBefore: (element: Numeric, value: Numeric) => boolean): Values => ({
  evaluate: (_, [sorted, wanted], [type]) => {
    const [rows, values] = [ordered(sorted!), ordered(wanted!)];
    if (rows === undefined || values === undefined) return undefined;
    const [size, each] = [sorted!.shape.at(-1)!, wanted!.shape.at(-1)!];
    return [
      makeTensor(type!.dtype as DType, wanted!.shape, (i) => {
        const from = Math.floor(i / each) * size;
        let count = 0;
        while (count < size && isBefore(rows[from + count]!, values[i]!)) count++;
        return count;
      }),
    ];
  },
});

const bucketize: Values = {
  evaluate: (site, [x]) => {
    const boundaries = numbersAttribute(site, "boundaries", []).map(Math.fround);
    const values = numbersOf(x!);
    return [makeTensor("int32", x!.shape, (i) => boundaries.filter((each) => each <= values[i]!).length)];
  },
};

function countIds(
  site: Site,
  ids: Tensor,
  size: number,
  weights: Tensor,
  binary: boolean,
  rows: number,
): Tensor[] | undefined {
  const places = integers(ids);
  if (places.some((id) => id < 0)) return undefined;
  const isWeighted = weights.size > 0 && !binary;
  const values = numbersOf(weights);
  const counts = new Float64Array(rows * size);
  const each = rows === 0 ? 0 : places.length / rows;
  places.forEach((id, i) => {
    const at = Math.floor(i / each) * size + id;
    if (id < size) counts[at] = binary ? 1 : counts[at]! + (isWeighted ? values[i]! : 1);
  });
  const shape = site.op.endsWith("DenseBincount") && ids.shape.length === 2 ? [rows, size] : [size];
  return [makeTensor(weights.dtype, shape, (i) => counts[i]!)];
}

const histogram: Values = {
  evaluate: (site, [x, range], [type]) => {
    const count = integersOf(site, 2)?.[0];
    const [low, high] = Array.from(numbersOf(range!)) as [number, number];
    if (count === undefined || !(count > 0) || !(low < high)) return undefined;
    const step = (high - low) / count;
    const counts = new Array<number>(count).fill(0);
    for (const value of Array.from(numbersOf(x!))) {
      const bin = Math.min(Math.max(Math.floor((value - low) / step), 0), count - 1);
      counts[bin]!++;
    }
    return [makeTensor(type!.dtype as DType, [count], (i) => counts[i]!)];
  },
};

const firstDistinct: Values = {
  sizedByValues: true,
  evaluate: (site, [x], types) => {
    if (x!.shape.length !== 1) return undefined;
    const places = new Map<string, number>();
    const firsts: number[] = [];
    const counts: number[] = [];
    const owners = keysOf(x!).map((key, i) => {
      const place = places.get(key) ?? firsts.push(i) - 1;
      // No NaN is equal to another.
      if (key !== "NaN") places.set(key, place);
      counts[place] = (counts[place] ?? 0) + 1;
      return place;
    });
    const dtype = stringAttribute(site, "out_idx", "int32") as DType;
    return [
      gatherElements(x!, [firsts.length], (i) => firsts[i]!),
      makeTensor(dtype, x!.shape, (i) => owners[i]!),
      ...(types.length > 2 ? [makeTensor(dtype, [firsts.length], (i) => counts[i]!)] : []),
    ];
  },
};

const keysOf = (x: Tensor): readonly string[] => (x.values() as readonly unknown[]).map(String);

/** What isn't in y, in its order; NaN is in nothing. */
const listDiff: Values = {
  sizedByValues: true,
  evaluate: (site, [x, y]) => {
    const others = new Set(keysOf(y!).filter((key) => key !== "NaN"));
    const places = keysOf(x!).flatMap((key, i) => (others.has(key) ? [] : [i]));
    const dtype = stringAttribute(site, "out_idx", "int32") as DType;
    return [
      gatherElements(x!, [places.length], (i) => places[i]!),
      makeTensor(dtype, [places.length], (i) => places[i]!),
    ];
  },
};

/** Rows by the number of the part that each goes to. */
const partition: Values = {
  sizedByValues: true,
  evaluate: (_, [x, parts], types) => {
    const owners = integers(parts!);
    if (owners.some((owner) => owner < 0 || owner >= types.length)) return undefined;
    const row = x!.shape.slice(parts!.shape.length);
    const width = countOf(row);
    return types.map((__, part) => {
      const places = owners.flatMap((owner, i) => (owner === part ? [i] : []));
      return gatherElements(x!, [places.length, ...row], (i) => places[Math.floor(i / width)]! * width + (i % width));
    });
  },
};

const where: Values = {
  sizedByValues: true,
  evaluate: (_, [x]) => {
    const values = ordered(x!);
    if (values === undefined) return undefined;
    const rank = x!.shape.length;
    const places = Array.from({length: x!.size}, (_each, i) => i).filter((i) => Number(values[i]) !== 0);
    return [
      makeTensor("int64", [places.length, rank], (i) => {
        const axis = i % rank;
        return Math.floor(places[Math.floor(i / rank)]! / countOf(x!.shape.slice(axis + 1))) % x!.shape[axis]!;
      }),
    ];
  },
};

export const sortingValues: ValuesTable = {
  ArgMax: argument((a, b) => a > b),
  ArgMin: argument((a, b) => a < b),
  TopK: top,
  TopKV2: top,
  NthElement: nth,
  InTopKV2: inTop,
  LowerBound: bound((element, value) => element < value),
  UpperBound: bound((element, value) => element <= value),
  Bucketize: bucketize,
  DenseBincount: {
    evaluate: (site, [ids, size, weights]) =>
      countIds(
        site,
        ids!,
        integers(size!)[0]!,
        weights!,
        booleanAttribute(site, "binary_output"),
        ids!.shape.length === 2 ? ids!.shape[0]! : 1,
      ),
  },
  Bincount: {
    evaluate: (site, [ids, size, weights]) => countIds(site, ids!, integers(size!)[0]!, weights!, false, 1),
  },
  HistogramFixedWidth: histogram,
  Unique: firstDistinct,
  UniqueV2: firstDistinct,
  UniqueWithCounts: firstDistinct,
  UniqueWithCountsV2: firstDistinct,
  ListDiff: listDiff,
  DynamicPartition: partition,
  Where: where,
};
