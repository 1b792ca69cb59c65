/** Values of Fourier transforms, straight from their definition, in double precision. */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import {makeTensor, numbersOf} from "../../elements.ts";
import {integersOf} from "../../shapes.ts";
import {type Transform, transforms} from "../complex.ts";
import {makeComplex} from "./elementwise.ts";
import {alongAxis, countOf, forEach, type ValuesTable} from "./values.ts";

/** Complex numbers of a shape, apart. */
interface Signal {
  readonly shape: readonly number[];
  readonly re: Float64Array;
  readonly im: Float64Array;
}

function signalOf(x: Tensor): Signal {
  const values = numbersOf(x);
  const isComplex = dtypes[x.dtype].kind === "complex";
  return {
    shape: x.shape,
    re: Float64Array.from({length: x.size}, (_, i) => values[isComplex ? 2 * i : i]!),
    im: Float64Array.from({length: x.size}, (_, i) => (isComplex ? values[2 * i + 1]! : 0)),
  };
}

/** Cuts a signal to a size along an axis, or fills it up with zeros. */
function resize({shape, re, im}: Signal, axis: number, size: number): Signal {
  if (shape[axis] === size) return {shape, re, im};
  const target = shape.map((each, i) => (i === axis ? size : each));
  const [from, to] = [alongAxis(shape, axis), alongAxis(target, axis)];
  const result: Signal = {shape: target, re: new Float64Array(countOf(target)), im: new Float64Array(countOf(target))};
  for (let i = 0; i < result.re.length; i++) {
    const k = Math.floor(i / to.inner) % size;
    if (k >= from.size) continue;
    const at = (Math.floor(i / (size * to.inner)) * from.size + k) * from.inner + (i % to.inner);
    result.re[i] = re[at]!;
    result.im[i] = im[at]!;
  }
  return result;
}

/** The transform of a signal along an axis: `sign` −1 forwards, 1 backwards (then divided by the size). */
function transformAxis({shape, re, im}: Signal, axis: number, sign: 1 | -1): Signal {
  const {outer, size, inner} = alongAxis(shape, axis);
  const angles = Array.from({length: size}, (_, i) => (2 * Math.PI * i) / size);
  const [cos, sin] = [angles.map(Math.cos), angles.map((angle) => sign * Math.sin(angle))];
  const scale = sign === 1 ? 1 / size : 1;
  const result: Signal = {shape, re: new Float64Array(re.length), im: new Float64Array(im.length)};
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < inner; n++) {
      for (let k = 0; k < size; k++) {
        let [a, b] = [0, 0];
        for (let j = 0; j < size; j++) {
          const at = (o * size + j) * inner + n;
          const turn = (j * k) % size;
          a += re[at]! * cos[turn]! - im[at]! * sin[turn]!;
          b += re[at]! * sin[turn]! + im[at]! * cos[turn]!;
        }
        const to = (o * size + k) * inner + n;
        result.re[to] = a * scale;
        result.im[to] = b * scale;
      }
    }
  }
  return result;
}

/** A half spectrum along the last axis → the whole one, of a real signal of `size`. */
function complete(half: Signal, size: number, axes: number): Signal {
  const rank = half.shape.length;
  const bins = Math.floor(size / 2) + 1;
  const own = resize(half, rank - 1, bins);
  const whole = resize(own, rank - 1, size);
  const shape = whole.shape;
  const first = rank - axes;
  for (let i = 0; i < whole.re.length; i++) {
    const bin = i % size;
    if (bin < bins) continue;
    // The mirrored place along every transformed axis.
    let at = 0;
    let rest = i;
    const place = shape.map(() => 0);
    for (let axis = rank - 1; axis >= 0; axis--) {
      place[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    for (let axis = 0; axis < rank; axis++) {
      const mirrored = axis < first ? place[axis]! : (shape[axis]! - place[axis]!) % shape[axis]!;
      at = at * own.shape[axis]! + mirrored;
    }
    whole.re[i] = own.re[at]!;
    whole.im[i] = -own.im[at]!;
  }
  return whole;
}

function evaluate(
  x: Tensor,
  lengths: readonly number[] | undefined,
  rule: Transform,
  dtype: DType,
): Tensor[] | undefined {
  const rank = x.shape.length;
  const axes = Array.from({length: rule.axes}, (_, i) => rank - rule.axes + i);
  if (rule.half && (lengths === undefined || lengths.includes(0))) return undefined;
  let signal = signalOf(x);
  if (rule.half) {
    const inner = rule.inverse ? axes.slice(0, -1) : axes;
    for (const [i, axis] of inner.entries()) signal = resize(signal, axis, lengths![i]!);
    if (rule.inverse) signal = complete(signal, lengths!.at(-1)!, rule.axes);
  }
  for (const axis of axes) signal = transformAxis(signal, axis, rule.inverse ? 1 : -1);
  if (rule.half && !rule.inverse) signal = resize(signal, rank - 1, Math.floor(lengths!.at(-1)! / 2) + 1);
  const {shape, re, im} = signal;
  if (rule.half && rule.inverse) return [makeTensor(dtype, shape, (i) => re[i]!)];
  return [makeComplex(dtype, shape, (i) => [re[i]!, im[i]!])];
}

export const fourierValues: ValuesTable = forEach(Object.fromEntries(transforms), (rule) => ({
  evaluate: (site, [x], [type]) => evaluate(x!, integersOf(site, 1), rule, type!.dtype as DType),
  cost: (_, [x]) => x!.size * x!.shape.slice(-rule.axes).reduce((a, b) => a + b, 0) * 2,
}));
