/** Operators on images: crops, colours, contrast. Formulas are those of TensorFlow's documentation and kernels. */
import {dtypes, type Tensor} from "@tf-trusted/tensor";
import {unknownDim} from "../../ir/dims.ts";
import {failAt, numberAttribute, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {makeTensor, numbersOf} from "../elements.ts";
import {dimsOf} from "../shapes.ts";

type Colour = readonly [number, number, number];

/** Hue in turns, from 0 to 1; 0 where all channels are equal. */
function hueOf([r, g, b]: Colour): number {
  const value = Math.max(r, g, b);
  const range = value - Math.min(r, g, b);
  if (!(range > 0)) return 0;
  const norm = 1 / (6 * range);
  const hue = r === value ? norm * (g - b) : g === value ? norm * (b - r) + 2 / 6 : norm * (r - g) + 4 / 6;
  return hue < 0 ? hue + 1 : hue;
}

const unit = (x: number) => Math.min(Math.max(x, 0), 1);

/** How far each channel is from the smallest to the greatest, for a hue. */
const shares = (hue: number): Colour => [
  unit(Math.abs(hue * 6 - 3) - 1),
  unit(2 - Math.abs(hue * 6 - 2)),
  unit(2 - Math.abs(hue * 6 - 4)),
];

function toHsv(colour: Colour): Colour {
  const value = Math.max(...colour);
  const range = value - Math.min(...colour);
  return [hueOf(colour), value > 0 ? range / value : 0, value];
}

const fromHsv = ([hue, saturation, value]: Colour): Colour =>
  shares(hue).map((share) => (1 - saturation + saturation * share) * value) as unknown as Colour;

function shiftHue(colour: Colour, delta: number): Colour {
  const [low, high] = [Math.min(...colour), Math.max(...colour)];
  const turned = hueOf(colour) + delta;
  return shares(turned - Math.floor(turned)).map((share) => low + (high - low) * share) as unknown as Colour;
}

function scaleSaturation(colour: Colour, scale: number): Colour {
  const [hue, saturation, value] = toHsv(colour);
  return fromHsv([hue, unit(saturation * scale), value]);
}

const pixels = (name: string, f: (colour: Colour, parameter: number) => Colour): Operator => ({
  name: `tf.${name}`,
  infer: (site) => {
    const [x] = site.inputs;
    const channels = x!.shape?.at(-1);
    if (channels !== undefined && channels !== 3 && channels !== unknownDim)
      throw failAt(site, "CONVERT_SHAPE", `${channels} channels, expected 3`);
    return [{dtype: x!.dtype, shape: x!.shape}];
  },
  evaluate: (_, [x, parameter]) => {
    const values = numbersOf(x!);
    const scale = parameter ? numbersOf(parameter)[0]! : 0;
    const result = new Float64Array(x!.size);
    for (let i = 0; i < x!.size; i += 3) result.set(f([values[i]!, values[i + 1]!, values[i + 2]!], scale), i);
    return [makeTensor(x!.dtype, x!.shape, (i) => result[i]!)];
  },
});

/** (x − mean)·factor + mean, with the mean of each channel of each image. */
function evaluateContrast(x: Tensor, factor: Tensor): Tensor[] | undefined {
  if (dtypes[x.dtype].kind !== "float") return undefined;
  const [height, width, channels] = x.shape.slice(-3) as [number, number, number];
  const area = height * width;
  const values = numbersOf(x);
  const scale = numbersOf(factor)[0]!;
  const means = new Float64Array((x.size / Math.max(1, area * channels)) * channels);
  const meanOf = (i: number) => Math.floor(i / (area * channels)) * channels + (i % channels);
  for (let i = 0; i < x.size; i++) means[meanOf(i)]! += values[i]! / area;
  return [
    makeTensor(x.dtype, x.shape, (i) => {
      const mean = means[meanOf(i)]!;
      return (values[i]! - mean) * scale + mean;
    }),
  ];
}

/** Where a crop of `count` places between two normalised ends reads along a dimension of `size`. */
function cropPlaces(from: number, to: number, size: number, count: number): number[] {
  const fr = Math.fround;
  if (count === 1) return [fr(fr(0.5 * fr(from + to)) * (size - 1))];
  const step = fr(fr(fr(to - from) * (size - 1)) / (count - 1));
  return Array.from({length: count}, (_, i) => fr(fr(from * (size - 1)) + fr(i * step)));
}

function evaluateCrops(site: Site, inputs: readonly Tensor[], shape: readonly number[]): Tensor[] | undefined {
  const [image, boxes, owners] = inputs as readonly [Tensor, Tensor, Tensor];
  if (dtypes[image.dtype].kind === "string") return undefined;
  const [batch, height, width, channels] = image.shape as readonly [number, number, number, number];
  const [count, tall, wide] = shape as readonly [number, number, number, number];
  const isNearest = stringAttribute(site, "method", "bilinear") === "nearest";
  const outside = numberAttribute(site, "extrapolation_value", 0);
  const [values, ends, images] = [numbersOf(image), numbersOf(boxes), numbersOf(owners)];
  const result = new Float64Array(count * tall * wide * channels).fill(outside);
  for (let n = 0; n < count; n++) {
    if (images[n]! < 0 || images[n]! >= batch) return undefined;
    const [y1, x1, y2, x2] = [0, 1, 2, 3].map((i) => ends[4 * n + i]!);
    const [ys, xs] = [cropPlaces(y1!, y2!, height, tall), cropPlaces(x1!, x2!, width, wide)];
    ys.forEach((y, i) => {
      if (!(y >= 0 && y <= height - 1)) return;
      xs.forEach((x, j) => {
        if (!(x >= 0 && x <= width - 1)) return;
        for (let c = 0; c < channels; c++) {
          const at = (row: number, column: number) =>
            values[((images[n]! * height + row) * width + column) * channels + c]!;
          const to = ((n * tall + i) * wide + j) * channels + c;
          if (isNearest) {
            result[to] = at(Math.round(y), Math.round(x));
            continue;
          }
          const [top, left, dy, dx] = [Math.floor(y), Math.floor(x), y - Math.floor(y), x - Math.floor(x)];
          const [bottom, right] = [Math.ceil(y), Math.ceil(x)];
          const upper = at(top, left) + (at(top, right) - at(top, left)) * dx;
          const lower = at(bottom, left) + (at(bottom, right) - at(bottom, left)) * dx;
          result[to] = upper + (lower - upper) * dy;
        }
      });
    });
  }
  return [makeTensor("float32", shape, (i) => result[i]!)];
}

export const imageOperators: readonly Operator[] = [
  pixels("RGBToHSV", toHsv),
  pixels("HSVToRGB", fromHsv),
  pixels("AdjustHue", shiftHue),
  pixels("AdjustSaturation", scaleSaturation),
  {
    name: "tf.AdjustContrastv2",
    infer: (site) => {
      const [x] = site.inputs;
      if (x!.shape && x!.shape.length < 3)
        throw failAt(site, "CONVERT_SHAPE", `an image of rank ${x!.shape.length}, expected at least 3`);
      return [{dtype: x!.dtype, shape: x!.shape}];
    },
    evaluate: (_, [x, factor]) => evaluateContrast(x!, factor!),
  },
  {
    name: "tf.CropAndResize",
    infer: (site) => {
      const [image, boxes] = site.inputs;
      if (image!.shape && image!.shape.length !== 4)
        throw failAt(site, "CONVERT_SHAPE", `an image of rank ${image!.shape.length}, expected 4`);
      const [height, width] = dimsOf(site, 3) ?? [unknownDim, unknownDim];
      const shape = [boxes!.shape?.[0] ?? unknownDim, height!, width!, image!.shape?.[3] ?? unknownDim];
      return [{dtype: "float32", shape}];
    },
    evaluate: (site, inputs, [type]) => evaluateCrops(site, inputs, type!.shape as number[]),
  },
];
