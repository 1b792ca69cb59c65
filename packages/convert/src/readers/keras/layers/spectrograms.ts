/** Spectrograms of audio, by products with the transform's matrices (keras.src.layers.preprocessing). */
import {isKnown} from "../../../ir/dims.ts";
import type {Ref} from "../../../ir/graph.ts";
import {int32Tensor} from "../../../ops/elements.ts";
import type {Config} from "../config.ts";
import type {KerasBuilder} from "../keras-builder.ts";
import {type LayerSite, type LayerTable, weightOf} from "../layer.ts";
import {ownWeights} from "../weights.ts";
import {convolve, isChannelsFirst} from "./convolution.ts";
import {firstOf} from "./core.ts";

/** Larger matrices of a transform than these (in elements) would be most of the file. */
const maxMatrix = 1 << 24;
/** keras.config.epsilon() */
const epsilon = 1e-7;

/** What every `step` samples of [batch, time, 1] give with a kernel [length, 1, bins]. */
function framesOf(b: KerasBuilder, x: Ref, kernel: Ref, length: number, step: number, padding: "same" | "valid"): Ref {
  return convolve(b, x, kernel, {kernel: [length], strides: [step], dilations: [1], padding, groups: 1});
}

/** Windows of tf.signal, periodic: a − (1 − a)·cos(2πn/N). */
const windows: Readonly<Record<string, number>> = {hann: 0.5, hamming: 0.54};

function windowOf(config: Config, length: number): readonly number[] {
  const value = config.get("window");
  if (value === null) return Array.from({length}, () => 1);
  if (Array.isArray(value)) {
    const values = config.numbers("window");
    if (values.length !== length) throw config.error(`its window has ${values.length} numbers, expected ${length}`);
    return values;
  }
  const a = windows[config.choice("window", ["hann", "hamming"], "hann")]!;
  return Array.from({length}, (_, n) => a - (1 - a) * Math.cos((2 * Math.PI * n) / length));
}

/** max(0, 1127·ln(1 + f/700)) */
const melOf = (hertz: number): number => 1127 * Math.log(1 + hertz / 700);

/** [bins, mels]: triangles that are straight on the mel scale, of height 1; the lowest bin counts for nothing. */
function melMatrix(bins: number, mels: number, rate: number, lowest: number, highest: number): Float32Array {
  const matrix = new Float32Array(bins * mels);
  const [low, high] = [melOf(lowest), melOf(highest)];
  const edge = (i: number): number => low + ((high - low) * i) / (mels + 1);
  for (let bin = 1; bin < bins; bin++) {
    const mel = melOf((rate / 2 / (bins - 1)) * bin);
    for (let band = 0; band < mels; band++) {
      const [lower, center, upper] = [edge(band), edge(band + 1), edge(band + 2)];
      const height = Math.min((mel - lower) / (center - lower), (upper - mel) / (upper - center));
      matrix[bin * mels + band] = Math.max(0, height);
    }
  }
  return matrix;
}

function melSpectrogram(site: LayerSite): Ref {
  const {b, config} = site;
  const given = firstOf(site);
  const isSingle = b.rank(given) === 1;
  if (!isSingle && b.rank(given) !== 2) throw config.error(`its input has rank ${b.rank(given)}, expected 1 or 2`);
  const length = config.integer("fft_length", 2048, 2);
  const step = config.integer("sequence_stride", 512, 1);
  const used = config.has("sequence_length") ? config.integer("sequence_length", undefined, 1) : length;
  if (used > length) throw config.error(`its sequence_length is ${used}, expected at most ${length}`);
  const bins = Math.floor(length / 2) + 1;
  if (length * bins > maxMatrix) throw config.unsupported(`fft_length=${length}`);
  const before = Math.floor((length - used) / 2);
  const window = windowOf(config, used);
  const table = (wave: (angle: number) => number): Ref => {
    const values = new Float32Array(length * bins);
    for (let n = 0; n < used; n++) {
      for (let k = 0; k < bins; k++) {
        // The angle of a whole number of turns is 0: large products would lose digits.
        const turn = ((n + before) * k) % length;
        values[(n + before) * bins + k] = window[n]! * wave((2 * Math.PI * turn) / length);
      }
    }
    return b.floats(values, [length, 1, bins]);
  };
  const samples = isSingle ? b.expand(given, 0) : given;
  const x = b.isFloat(samples) ? samples : b.cast(samples, "float32");
  const half = Math.floor(length / 2);
  const padding = b.value(int32Tensor([0, 0, half, half], [2, 2]));
  const padded = b.tf("MirrorPad", [x, padding], {mode: "REFLECT"});
  const time = b.shape(padded)[1]!;
  if (isKnown(time) && time < length) throw config.error(`${time} samples are fewer than fft_length=${length}`);
  const column = b.expand(padded, 2);
  const part = (wave: (angle: number) => number) => framesOf(b, column, table(wave), length, step, "valid");
  const [real, imaginary] = [part(Math.cos), part(Math.sin)];
  const magnitude = b.tf("Sqrt", [b.add(b.mul(real, real), b.mul(imaginary, imaginary))]);
  const power = b.tf("Pow", [magnitude, b.like(config.number("mag_exp", 2), magnitude)]);
  const rate = config.number("sampling_rate", 16000);
  const highest = config.has("max_freq") ? config.number("max_freq") : Math.floor(rate / 2);
  const mels = config.integer("num_mel_bins", 128, 1);
  const matrix = melMatrix(bins, mels, rate, config.number("min_freq", 20), highest);
  // Without decibels their options mean nothing.
  for (const option of ["top_db", "min_power", "ref_power"]) config.get(option);
  const scaled = b.project(power, b.floats(matrix, [bins, mels]));
  const decibels = config.boolean("power_to_db", true) ? toDecibels(site, scaled) : scaled;
  const swapped = b.transpose(decibels, [0, 2, 1]);
  return isSingle ? b.squeeze(swapped, [0]) : swapped;
}

/** 10·log₁₀ of the power above the reference, not further below the loudest of the whole batch than `top_db`. */
function toDecibels({b, config}: LayerSite, x: Ref): Ref {
  const least = config.number("min_power", 1e-10);
  const reference = Math.max(Math.abs(config.number("ref_power", 1)), least);
  const factor = 10 / Math.LN10;
  const logarithm = b.tf("Log", [b.tf("Maximum", [x, b.like(least, x)])]);
  const level = b.sub(b.mul(logarithm, b.like(factor, x)), b.like(factor * Math.log(reference), x));
  const loudest = b.reduce("Max", level, [0, 1, 2], false);
  return b.tf("Maximum", [level, b.sub(loudest, b.like(config.number("top_db", 80), x))]);
}

const stftModes = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"] as const;

/** Each channel's frames by the layer's own kernels. */
function stftSpectrogram(site: LayerSite): Ref {
  const {b, config} = site;
  const mode = config.choice("mode", stftModes, "log");
  const length = config.integer("frame_length", 256, 1);
  const step = config.has("frame_step") ? config.integer("frame_step", undefined, 1) : Math.floor(length / 2);
  const padding = config.choice("padding", ["valid", "same"], "valid");
  const expands = config.boolean("expand_dims", false);
  const channelsFirst = isChannelsFirst(config);
  // What they did is in the kernels.
  for (const option of ["fft_length", "window", "periodic", "scaling"]) config.get(option);
  const given = firstOf(site);
  if (b.rank(given) !== 3) throw config.error(`its input has rank ${b.rank(given)}, expected 3`);
  const byChannel = channelsFirst ? given : b.transpose(given, [0, 2, 1]);
  const [batch, channels, time] = b.sizes(byChannel);
  const column = b.reshape(byChannel, [-1, time!, 1]);
  const part = (name: string): Ref => {
    const kernel = weightOf(site, name, [length, 1, -1]);
    const frames = framesOf(b, column, kernel, length, step, padding);
    const [, count, bins] = b.sizes(frames);
    // [batch, channels, frames, bins]
    return b.reshape(frames, [batch!, channels!, count!, bins!]);
  };
  const real = mode === "imag" ? undefined : part("real_kernel");
  const imaginary = mode === "real" ? undefined : part("imag_kernel");
  const shaped = (y: Ref): Ref => {
    const [, , count, bins] = b.sizes(y);
    if (expands) return channelsFirst ? y : b.transpose(y, [0, 2, 3, 1]);
    if (typeof bins !== "number" || typeof channels !== "number")
      throw config.unsupported("channels of unknown number");
    const joined = b.reshape(b.transpose(y, [0, 2, 1, 3]), [batch!, count!, channels * bins]);
    return channelsFirst ? b.transpose(joined, [0, 2, 1]) : joined;
  };
  if (real === undefined) return shaped(imaginary!);
  if (imaginary === undefined) return shaped(real);
  if (mode === "angle") return shaped(b.tf("Atan2", [imaginary, real]));
  if (mode === "stft") return shaped(b.concat([real, imaginary], -1));
  const power = b.add(b.mul(real, real), b.mul(imaginary, imaginary));
  if (mode === "psd") {
    const bins = b.shape(power)[3]!;
    if (!isKnown(bins)) throw config.unsupported("bins of unknown number");
    // All bins but the first and the last stand for two frequencies.
    const inner = Array.from({length: bins}, (_, i) => (i === 0 || i === bins - 1 ? 1 : 2));
    return shaped(b.mul(power, b.floats(inner)));
  }
  const magnitude = b.tf("Sqrt", [b.tf("Maximum", [power, b.like(epsilon, power)])]);
  if (mode === "magnitude") return shaped(magnitude);
  return shaped(b.tf("Log", [b.tf("Maximum", [magnitude, b.like(epsilon, magnitude)])]));
}

export const spectrogramLayers: LayerTable = {
  MelSpectrogram: {build: melSpectrogram},
  STFTSpectrogram: {
    weights: (config) => {
      const mode = config.choice("mode", stftModes, "log");
      return ownWeights([mode !== "imag" && "real_kernel", mode !== "real" && "imag_kernel"]);
    },
    build: stftSpectrogram,
  },
};
