/** Spectra of sound as TensorFlow's audio operators compute them: Hann windows, mel bands, cosine transform. */
import type {Tensor} from "@tf-trusted/tensor";
import {type Dim, isKnown, unknownDim} from "../../ir/dims.ts";
import {booleanAttribute, failAt, numberAttribute, type Operator, type Site} from "../../ir/operators.ts";
import {makeTensor, numbersOf} from "../elements.ts";
import {integersOf} from "../shapes.ts";

/** How AudioSpectrogram cuts: the transform's length is the next power of two. Throws `CONVERT_ATTRIBUTE`. */
export interface Framing {
  readonly window: number;
  readonly stride: number;
  readonly length: number;
  readonly bins: number;
}

const maxWindow = 1 << 20;

export function framingOf(site: Site): Framing {
  const [window, stride] = [numberAttribute(site, "window_size"), numberAttribute(site, "stride")];
  if (!Number.isInteger(window) || window < 2 || window > maxWindow || !Number.isInteger(stride) || stride < 1)
    throw failAt(site, "CONVERT_ATTRIBUTE", `window_size ${window} and stride ${stride}`);
  const length = 2 ** Math.ceil(Math.log2(window));
  return {window, stride, length, bins: length / 2 + 1};
}

export const frameCount = (samples: number, {window, stride}: Framing): number =>
  samples < window ? 0 : 1 + Math.floor((samples - window) / stride);

/** The periodic Hann window. */
export const hann = (size: number): number[] =>
  Array.from({length: size}, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));

/** The spectrum of one frame, by the sum itself: slow, and what it says. */
function powerOf(frame: ArrayLike<number>, {window, length, bins}: Framing): Float64Array {
  const cosines = Float64Array.from({length}, (_, i) => Math.cos((2 * Math.PI * i) / length));
  const sines = Float64Array.from({length}, (_, i) => Math.sin((2 * Math.PI * i) / length));
  return Float64Array.from({length: bins}, (_, k) => {
    let [re, im] = [0, 0];
    for (let i = 0; i < window; i++) {
      const turn = (i * k) % length;
      re += frame[i]! * cosines[turn]!;
      im += frame[i]! * sines[turn]!;
    }
    return re * re + im * im;
  });
}

function evaluateSpectrogram(site: Site, x: Tensor): Tensor[] {
  const framing = framingOf(site);
  const [samples, channels] = x.shape as [number, number];
  const frames = frameCount(samples, framing);
  const values = numbersOf(x);
  const weights = hann(framing.window);
  const squared = booleanAttribute(site, "magnitude_squared");
  const spectra = Array.from({length: channels * frames}, (_, at) => {
    const [channel, frame] = [Math.floor(at / frames), at % frames];
    const cut = weights.map((weight, i) => weight * values[(frame * framing.stride + i) * channels + channel]!);
    return powerOf(cut, framing);
  });
  return [
    makeTensor("float32", [channels, frames, framing.bins], (i) => {
      const power = spectra[Math.floor(i / framing.bins)]![i % framing.bins]!;
      return squared ? power : Math.sqrt(power);
    }),
  ];
}

/** Options of Mfcc, with limits on what a file may ask for. Throws `CONVERT_ATTRIBUTE`. */
function bandsOf(site: Site) {
  const bands = numberAttribute(site, "filterbank_channel_count", 40);
  const coefficients = numberAttribute(site, "dct_coefficient_count", 13);
  if (![bands, coefficients].every((each) => Number.isInteger(each) && each > 0 && each <= 4096))
    throw failAt(site, "CONVERT_ATTRIBUTE", `${bands} channels and ${coefficients} coefficients`);
  return {
    bands,
    coefficients,
    low: numberAttribute(site, "lower_frequency_limit", 20),
    high: numberAttribute(site, "upper_frequency_limit", 4000),
  };
}

const melOf = (hertz: number) => 1127 * Math.log1p(hertz / 700);

/** Weights [band][bin] of magnitudes: triangles between centres that are equally far apart in mel. */
export function melWeights(site: Site, bins: number, sampleRate: number): Float64Array[] {
  const {bands, low, high} = bandsOf(site);
  const from = melOf(low);
  const spacing = (melOf(high) - from) / (bands + 1);
  const centres = Array.from({length: bands + 1}, (_, i) => from + spacing * (i + 1));
  const step = (0.5 * sampleRate) / (bins - 1);
  const [start, end] = [Math.trunc(1.5 + low / step), Math.min(bins - 1, Math.trunc(high / step))];
  const weights = Array.from({length: bands}, () => new Float64Array(bins));
  let channel = 0;
  for (let i = start; i <= end; i++) {
    const mel = melOf(i * step);
    while (channel < bands && centres[channel]! < mel) channel++;
    const below = channel - 1;
    const share =
      below >= 0
        ? (centres[below + 1]! - mel) / (centres[below + 1]! - centres[below]!)
        : (centres[0]! - mel) / (centres[0]! - from);
    if (below >= 0) weights[below]![i]! += share;
    if (below + 1 < bands) weights[below + 1]![i]! += 1 - share;
  }
  return weights;
}

/** [coefficient][band] */
export function cosineWeights(site: Site): Float64Array[] {
  const {bands, coefficients} = bandsOf(site);
  const norm = Math.sqrt(2 / bands);
  return Array.from({length: coefficients}, (_, i) =>
    Float64Array.from({length: bands}, (_, j) => norm * Math.cos(((i * Math.PI) / bands) * (j + 0.5))),
  );
}

/** What is nothing to the logarithm. */
export const melFloor = 1e-12;

function evaluateMfcc(site: Site, spectrogram: Tensor, rate: Tensor): Tensor[] | undefined {
  const bins = spectrogram.shape[2]!;
  if (bins < 2) return undefined;
  const [mel, cosines] = [melWeights(site, bins, numbersOf(rate)[0]!), cosineWeights(site)];
  const values = numbersOf(spectrogram);
  const rows = spectrogram.size / bins;
  const result = Array.from({length: rows}, (_, row) => {
    const logs = mel.map((weights) => {
      let sum = 0;
      for (let i = 0; i < bins; i++) sum += weights[i]! * Math.sqrt(values[row * bins + i]!);
      return Math.log(Math.max(sum, melFloor));
    });
    return cosines.map((weights) => weights.reduce((sum, weight, j) => sum + weight * logs[j]!, 0));
  });
  const count = cosines.length;
  const shape = [...spectrogram.shape.slice(0, 2), count];
  return [makeTensor("float32", shape, (i) => result[Math.floor(i / count)]![i % count]!)];
}

export const audio: readonly Operator[] = [
  {
    name: "tf.AudioSpectrogram",
    infer: (site) => {
      const framing = framingOf(site);
      const shape = site.inputs[0]!.shape ?? [unknownDim, unknownDim];
      if (shape.length !== 2) throw failAt(site, "CONVERT_SHAPE", `sound of rank ${shape.length}, expected 2`);
      const [samples, channels] = shape as readonly [Dim, Dim];
      const frames = isKnown(samples) ? frameCount(samples, framing) : unknownDim;
      return [{dtype: "float32", shape: [channels, frames, framing.bins]}];
    },
    evaluate: (site, [x]) => evaluateSpectrogram(site, x!),
    cost: (site, [x]) => {
      const framing = framingOf(site);
      return frameCount(x!.shape[0]!, framing) * x!.shape[1]! * framing.bins * framing.window;
    },
  },
  {
    name: "tf.Mfcc",
    infer: (site) => {
      const {coefficients} = bandsOf(site);
      const shape = site.inputs[0]!.shape ?? [unknownDim, unknownDim, unknownDim];
      if (shape.length !== 3) throw failAt(site, "CONVERT_SHAPE", `a spectrogram of rank ${shape.length}, expected 3`);
      return [{dtype: "float32", shape: [shape[0]!, shape[1]!, coefficients]}];
    },
    evaluate: (site, [spectrogram, rate]) => evaluateMfcc(site, spectrogram!, rate!),
    cost: (site, [spectrogram]) => spectrogram!.size * bandsOf(site).bands,
  },
];

/** The sample rate of an Mfcc, where it is known. */
export const sampleRateOf = (site: Site): number | undefined => integersOf(site, 1)?.[0];
