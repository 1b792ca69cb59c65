/** Complex numbers: made of and taken apart into real ones, and Fourier transforms. */
import {type DType, dtypes, Tensor} from "@tf-trusted/tensor";
import type {Dim, Shape} from "../../ir/dims.ts";
import {isKnown, unknownDim} from "../../ir/dims.ts";
import {failAt, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {broadcastStrides, indexMap, makeTensor, numbersOf} from "../elements.ts";
import {broadcastShapes, integersOf} from "../shapes.ts";

/** What a real part of complex numbers of one dtype is. */
const realOf = (dtype: string): DType => (dtype === "complex128" ? "float64" : "float32");

/** One number of each element's pair: 0 the real parts, 1 the imaginary ones. */
export function partOf(x: Tensor, part: 0 | 1, dtype: DType): Tensor {
  const pairs = x.data as ArrayLike<number>;
  return makeTensor(dtype, x.shape, (i) => pairs[2 * i + part]!);
}

const taken = (name: string, f: (re: number, im: number) => number): Operator => ({
  name: `tf.${name}`,
  infer: (site) => {
    const [x] = site.inputs;
    return [{dtype: stringAttribute(site, "Tout", realOf(x!.dtype)) as DType, shape: x!.shape}];
  },
  evaluate: (_, [x], [type]) => {
    if (dtypes[x!.dtype].kind !== "complex") return undefined;
    const pairs = x!.data as ArrayLike<number>;
    return [makeTensor(type!.dtype as DType, x!.shape, (i) => f(pairs[2 * i]!, pairs[2 * i + 1]!))];
  },
});

/** What a transform is: over how many axes, from and to what. */
export interface Transform {
  readonly axes: 1 | 2 | 3;
  readonly inverse: boolean;
  /** The result's last axis has only the half that tells the other (real input), or the operand's has. */
  readonly half: boolean;
}

/** All of TensorFlow's Fourier transforms, by name. */
export const transforms: ReadonlyMap<string, Transform> = new Map(
  [1, 2, 3].flatMap((axes) =>
    [false, true].flatMap((inverse) =>
      [false, true].map((half) => [
        `${inverse ? "I" : ""}${half ? "R" : ""}FFT${axes === 1 ? "" : `${axes}D`}`,
        {axes: axes as 1 | 2 | 3, inverse, half},
      ]),
    ),
  ),
);

/** Throws `CONVERT_SHAPE` where the operand has fewer dimensions than are transformed, or their number isn't given. */
function transformedShape(site: Site, {axes, inverse, half}: Transform): Shape | undefined {
  const shape = site.inputs[0]!.shape;
  if (shape === undefined) return undefined;
  if (shape.length < axes) throw failAt(site, "CONVERT_SHAPE", `rank ${shape.length}, expected at least ${axes}`);
  if (!half) return shape;
  const lengths: readonly Dim[] = integersOf(site, 1) ?? Array.from({length: axes}, () => unknownDim);
  if (lengths.length !== axes || lengths.some((each) => isKnown(each) && each < 0))
    throw failAt(site, "CONVERT_SHAPE", `fft_length [${lengths}], expected ${axes} sizes`);
  const last = lengths[axes - 1]!;
  const bins = inverse || !isKnown(last) ? last : last === 0 ? 0 : Math.floor(last / 2) + 1;
  return [...shape.slice(0, -axes), ...lengths.slice(0, -1), bins];
}

export const complex: readonly Operator[] = [
  {
    name: "tf.Complex",
    infer: (site) => [
      {
        dtype: stringAttribute(site, "Tout", "complex64") as DType,
        shape: broadcastShapes(site, site.inputs[0]!.shape, site.inputs[1]!.shape),
      },
    ],
    evaluate: (_, [re, im], [type]) => {
      const shape = type!.shape as readonly number[];
      const [left, right] = [re!, im!].map((part) => indexMap(shape, broadcastStrides(part.shape, shape)));
      const [a, b] = [numbersOf(re!), numbersOf(im!)];
      const pairs = makeTensor(realOf(type!.dtype), [...shape, 2], (i) =>
        i % 2 === 0 ? a[left!(i / 2)]! : b[right!((i - 1) / 2)]!,
      );
      return [new Tensor(type!.dtype as DType, shape, pairs.bytes)];
    },
  },
  taken("Real", (re) => re),
  taken("Imag", (_, im) => im),
  taken("ComplexAbs", Math.hypot),
  taken("Angle", (re, im) => Math.atan2(im, re)),
  ...[...transforms].map(
    ([name, transform]): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const {dtype} = site.inputs[0]!;
        const shape = transformedShape(site, transform);
        if (!transform.half) return [{dtype, shape}];
        if (transform.inverse) return [{dtype: stringAttribute(site, "Treal", realOf(dtype)) as DType, shape}];
        return [{dtype: stringAttribute(site, "Tcomplex", "complex64") as DType, shape}];
      },
    }),
  ),
];
