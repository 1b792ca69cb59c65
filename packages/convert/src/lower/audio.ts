/** Lowerings of spectra of sound: frames are gathered, the rest is RFFT2D and matrix products. */
import {isKnown, isStatic} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {booleanAttribute} from "../ir/operators.ts";
import {cosineWeights, frameCount, framingOf, hann, melFloor, melWeights, sampleRateOf} from "../ops/tf/audio.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";
import {ACTIVATION, zeros} from "./neural.ts";

const spectrogram: Lowering = ({inputs: [x], types: [type], site}, b) => {
  const framing = framingOf(site);
  const {window, stride, length, bins} = framing;
  const [samples, channels] = b.shape(x!);
  if (!isKnown(samples!) || !isStatic(type!.shape)) return b.refuse("the number of its samples isn't known");
  const frames = frameCount(samples, framing);
  if (frames === 0) return b.refuse("fewer samples than a window has");
  const sound = b.transpose(x!, [1, 0]);
  const indices = Array.from(
    {length: b.bounded(frames * window)},
    (_, i) => Math.floor(i / window) * stride + (i % window),
  );
  const cut = b.gather(sound, b.ints(indices, [frames, window]), 1);
  const weighted = b.mul(cut, b.floats(hann(window)));
  const widths = b.ints([0, 0, 0, 0, 0, length - window], [3, 2]);
  const padded = length === window ? weighted : b.op("PAD", [weighted], {}, {operands: [widths]});
  const rows = (channels as number) * frames;
  const spectrum = b.raw("RFFT2D", [b.reshape(padded, [rows, 1, length]), b.ints([1, length])], {}, [
    {dtype: "complex64", shape: [rows, 1, bins]},
  ])[0]!;
  const part = (op: "REAL" | "IMAG") =>
    b.op("SQUARE", [b.raw(op, [spectrum], {}, [{dtype: "float32", shape: [rows, 1, bins]}])[0]!]);
  const power = b.reshape(b.add(part("REAL"), part("IMAG")), type!.shape);
  return booleanAttribute(site, "magnitude_squared") ? power : b.op("SQRT", [power]);
};

/** x·weightsᵀ along the last dimension. */
function weighted(b: Lowerer, x: Ref, weights: readonly Float64Array[]): Ref {
  const width = weights[0]!.length;
  const matrix = b.floats(Float32Array.from(weights.flatMap((row) => [...row])), [weights.length, width]);
  const attributes = {weightsFormat: "DEFAULT", keepNumDims: true, asymmetricQuantizeInputs: false, ...ACTIVATION};
  const shape = [...b.shape(x).slice(0, -1), weights.length];
  return b.op("FULLY_CONNECTED", [x, matrix, zeros(b, weights.length)], attributes, {type: {dtype: "float32", shape}});
}

const mfcc: Lowering = ({inputs: [x], site}, b) => {
  const bins = b.shape(x!)[2]!;
  const rate = sampleRateOf(site);
  if (!isKnown(bins) || bins < 2) return b.refuse("the number of its bins isn't known");
  if (rate === undefined) return b.refuse("its sample rate is computed, expected a constant");
  const bands = weighted(b, b.op("SQRT", [x!]), melWeights(site, bins, rate));
  const logs = b.op("LOG", [b.binary("MAXIMUM", bands, b.scalar(melFloor))]);
  return weighted(b, logs, cosineWeights(site));
};

export const audioLowerings: LoweringTable = {AudioSpectrogram: spectrogram, Mfcc: mfcc};
