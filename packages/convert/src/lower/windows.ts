/**
 * Lowerings of what looks at windows and no kernel of TensorFlow Lite does: patches, dilation, places of maxima, pools over
 * three dimensions or over channels, blocks of any number of dimensions.
 *
 * A window's elements are gathered row by row, then column by column: the indices are as long as one side of the image, so
 * that nothing of the size of all patches is stored in the file.
 */
import {type Dim, divideDims, isKnown, isStatic, multiplyDims, type Shape} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {numberAttribute, numbersAttribute, type Site, stringAttribute} from "../ir/operators.ts";
import {product} from "../ops/shapes.ts";
import {windowList} from "../ops/tf/patches.ts";
import {tapOf, type Window, windowOver} from "../ops/tf/windows.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

/** What a window sees beyond the edge: a value, or the first element that it has (which leaves a maximum as it is). */
type Edge = number | "first";

/** The windows over each spatial dimension of x. */
export function windowsOf(
  b: Lowerer,
  site: Site,
  x: Ref,
  kernel: readonly number[],
  strides: readonly number[],
  rates: readonly number[],
): readonly Window[] {
  const padding = stringAttribute(site, "padding");
  return b
    .shape(x)
    .slice(1, -1)
    .map((size, i) => {
      if (!isKnown(size)) return b.refuse("the size of its image isn't known");
      const window = windowOver(size, kernel[i]!, strides[i]!, rates[i]!, padding);
      b.bounded(window.count * window.window);
      return window;
    });
}

/** The elements that a window reads along a dimension, place by place. */
export function readBy(w: Window): number[] {
  return Array.from({length: w.count}, (_, i) => {
    const taps = Array.from({length: w.window}, (_, k) => tapOf(w, i, k));
    const first = taps.find((at) => at >= 0 && at < w.size) ?? 0;
    return taps.map((at) => (at >= 0 && at < w.size ? at : first));
  }).flat();
}

/** x[batch, …sizes, channels] → [batch, …places, taps, channels]. */
export function gatherPatches(b: Lowerer, x: Ref, windows: readonly Window[], edge: Edge): Ref {
  const [batch, channels] = [b.shape(x)[0]!, b.shape(x).at(-1)!];
  let result = x;
  let own = windows;
  const pads = windows.map((w) => {
    const end = w.count === 0 ? 0 : tapOf(w, w.count - 1, w.window - 1) + 1 - w.size;
    return [w.before, Math.max(0, end)] as const;
  });
  if (edge !== "first" && pads.some((pad) => pad.some((width) => width > 0))) {
    const widths = b.ints([0, 0, ...pads.flat(), 0, 0], [windows.length + 2, 2]);
    result = edge === 0 ? b.op("PAD", [x], {}, {operands: [widths]}) : b.raw("PADV2", [x, widths, b.like(edge, x)])[0]!;
    own = windows.map((w, i) => ({...w, before: 0, size: w.size + pads[i]![0] + pads[i]![1]}));
  }
  own.forEach((w, i) => {
    const indices = readBy(w);
    const isWhole = indices.length === w.size && indices.every((at, k) => at === k);
    if (!isWhole) result = b.gather(result, b.ints(indices), i + 1);
  });
  const split = own.flatMap((w) => [w.count, w.window]);
  const order = own.map((_, i) => 2 * i + 1);
  const turned = b.transpose(b.reshape(result, [batch, ...split, channels]), [
    0,
    ...order,
    ...order.map((axis) => axis + 1),
    split.length + 1,
  ]);
  const taps = own.reduce((n, w) => n * w.window, 1);
  return b.reshape(turned, [batch, ...own.map((w) => w.count), taps, channels]);
}

const patches =
  (rank: number): Lowering =>
  ({inputs: [x], types: [type], site}, b) => {
    const [kernel, strides, rates] = ["ksizes", "strides", "rates"].map((key) =>
      windowList(site, key, rank).slice(1, -1),
    );
    const windows = windowsOf(b, site, x!, kernel!, strides!, rates!);
    return b.reshape(gatherPatches(b, x!, windows, 0), type!.shape!);
  };

const dilation: Lowering = ({inputs: [x, filter], types: [type], site}, b) => {
  const [height, width, channels] = b.shape(filter!);
  if (!isKnown(height!) || !isKnown(width!)) return b.refuse("the size of its filter isn't known");
  const [strides, rates] = ["strides", "rates"].map((key) => windowList(site, key, 4).slice(1, -1));
  const windows = windowsOf(b, site, x!, [height, width], strides!, rates!);
  const {dtype} = type!;
  // What is beyond the edge must not wrap around when the filter is added: integers take part as float32 or not at all.
  if (dtype !== "float32" && !["int8", "int16", "uint8", "uint16"].includes(dtype)) {
    if (windows.some((w) => w.before > 0 || tapOf(w, w.count - 1, w.window - 1) >= w.size))
      return b.refuse(`padding of ${dtype}`);
    const sums = b.add(gatherPatches(b, x!, windows, 0), b.reshape(filter!, [height * width, channels!]));
    return b.reduce("REDUCE_MAX", sums, [3], false);
  }
  const [image, weights] = [b.cast(x!, "float32"), b.cast(filter!, "float32")];
  const found = gatherPatches(b, image, windows, Number.NEGATIVE_INFINITY);
  const sums = b.add(found, b.reshape(weights, [height * width, channels!]));
  return b.cast(b.reduce("REDUCE_MAX", sums, [3], false), dtype);
};

/** The place of a maximum within its window, looked up in a table of places in the image. */
const maxPoolWithArgmax: Lowering = ({inputs: [x], types, site}, b) => {
  const [kernel, strides] = ["ksize", "strides"].map((key) => windowList(site, key, 4).slice(1, -1));
  const windows = windowsOf(b, site, x!, kernel!, strides!, [1, 1]);
  const [batch, channels] = [b.shape(x!)[0]!, b.shape(x!)[3]!];
  if (!isKnown(channels)) return b.refuse("the number of its channels isn't known");
  const [rows, columns] = windows as readonly [Window, Window];
  const places = rows.count * columns.count;
  const taps = rows.window * columns.window;
  const found = b.reshape(gatherPatches(b, b.cast(x!, "float32"), windows, "first"), [batch, places, taps, channels]);
  if (b.dtype(x!) !== "float32" && !/^u?int(8|16)$/.test(b.dtype(x!))) return b.refuse(`maxima of ${b.dtype(x!)}`);
  const pooled = b.cast(b.reshape(b.reduce("REDUCE_MAX", found, [2], false), types[0]!.shape!), types[0]!.dtype);
  const winner = b.raw("ARG_MAX", [found, b.ints([2], [])], {outputType: "INT32"}, [
    {dtype: "int32", shape: [batch, places, channels]},
  ])[0]!;
  const [readRows, readColumns] = [readBy(rows), readBy(columns)];
  const table = Array.from({length: b.bounded(places * taps)}, (_, i) => {
    const [place, tap] = [Math.floor(i / taps), i % taps];
    const row = readRows[Math.floor(place / columns.count) * rows.window + Math.floor(tap / columns.window)]!;
    const column = readColumns[(place % columns.count) * columns.window + (tap % columns.window)]!;
    return (row * columns.size + column) * channels;
  });
  const firstOf = b.ints(
    Array.from({length: places}, (_, i) => i * taps),
    [places, 1],
  );
  const offsets = b.gather(b.ints(table), b.add(winner, firstOf), 0);
  let index = b.add(offsets, b.ints(Array.from({length: b.bounded(channels)}, (_, i) => i)));
  if (site.attributes.include_batch_in_index === true && batch !== 1) {
    if (!isKnown(batch)) return b.refuse("indices over a batch of unknown size");
    const image = rows.size * columns.size * channels;
    if (batch * image > 2 ** 31) return b.refuse("more elements than int32 counts");
    const firsts = Array.from({length: b.bounded(batch)}, (_, i) => i * image);
    index = b.add(index, b.ints(firsts, [batch, 1, 1]));
  }
  return [pooled, b.cast(b.reshape(index, types[1]!.shape!), types[1]!.dtype)];
};

/** Windows over channels come without windows over the image, and without overlap. */
export function poolChannels(b: Lowerer, x: Ref, size: number, isMax: boolean): Ref {
  const shape = b.shape(x);
  const channels = shape.at(-1)!;
  if (!isKnown(channels) || channels % size !== 0) return b.refuse("windows over channels that don't divide them");
  const split = b.reshape(x, [...shape.slice(0, -1), channels / size, size]);
  return b.reduce(isMax ? "REDUCE_MAX" : "MEAN", split, [shape.length], false);
}

/** Maxima of integers: gathered, for MAX_POOL_2D knows them only with a scale. */
export function poolIntegers(
  b: Lowerer,
  site: Site,
  x: Ref,
  kernel: readonly number[],
  strides: readonly number[],
): Ref {
  if (stringAttribute(site, "padding") === "EXPLICIT") return b.refuse(`explicit padding of ${b.dtype(x)}`);
  const windows = windowsOf(b, site, x, kernel.slice(1, -1), strides.slice(1, -1), [1, 1]);
  return b.reduce("REDUCE_MAX", gatherPatches(b, x, windows, "first"), [3], false);
}

/**
 * Windows over H and W, then over D. The elements that a window has are a product of those along each axis, so that the
 * mean of means is the mean, at the edges too.
 */
const pool3d =
  (op: "MAX_POOL_2D" | "AVERAGE_POOL_2D"): Lowering =>
  ({inputs: [x], types: [type], site}, b) => {
    const format = stringAttribute(site, "data_format", "NDHWC");
    if (format !== "NDHWC") return b.refuse(`data_format ${format}`);
    const [kernel, strides] = ["ksize", "strides"].map((key) => numbersAttribute(site, key));
    if ([kernel!, strides!].some((each) => each[0] !== 1 || each[4] !== 1))
      return b.refuse("windows over batch or channels");
    const [, kd, kh, kw] = kernel!;
    const [, sd, sh, sw] = strides!;
    const padding = stringAttribute(site, "padding");
    const [batch, depth, height, width, channels] = b.shape(x!) as readonly [Dim, Dim, Dim, Dim, Dim];
    const [, d2, h2, w2] = type!.shape as readonly [Dim, Dim, Dim, Dim, Dim];
    if (!isStatic([depth, height, width, h2, w2, d2])) return b.refuse("the size of its input isn't known");
    const pool = (source: Ref, filter: readonly [number, number], stride: readonly [number, number], shape: Shape) => {
      if (filter[0] === 1 && filter[1] === 1 && stride[0] === 1 && stride[1] === 1) return source;
      const attributes = {
        padding,
        strideH: stride[0],
        strideW: stride[1],
        filterHeight: filter[0],
        filterWidth: filter[1],
        fusedActivationFunction: "NONE",
      };
      return b.op(op, [source], attributes, {type: {dtype: "float32", shape}});
    };
    const images = multiplyDims(batch, depth);
    const flat = b.reshape(x!, [images, height, width, channels]);
    const planes = pool(flat, [kh!, kw!], [sh!, sw!], [images, h2, w2, channels]);
    const area = multiplyDims(h2, w2);
    const columns = b.reshape(planes, [batch, depth, area, channels]);
    return b.reshape(pool(columns, [kd!, 1], [sd!, 1], [batch, d2, area, channels]), type!.shape!);
  };

/** Blocks of one or two dimensions have a kernel; of three: PAD, RESHAPE, TRANSPOSE, RESHAPE, and the way back. */
function moveBlocks(b: Lowerer, x: Ref, sizes: readonly number[], edges: readonly number[], toBatch: boolean): Ref {
  const shape = b.shape(x);
  // Dimensions at either end that stay as they are join the batch, or the rest.
  let [from, to] = [0, sizes.length];
  const stays = (i: number) => sizes[i] === 1 && edges[2 * i] === 0 && edges[2 * i + 1] === 0;
  while (to > 1 && stays(to - 1)) to--;
  while (from < to - 1 && stays(from)) from++;
  const block = sizes.slice(from, to);
  const widths = edges.slice(2 * from, 2 * to);
  const batch = product(shape.slice(0, from + 1));
  const rest = product(shape.slice(to + 1));
  const inner: Shape = shape.slice(from + 1, to + 1);
  if (!isStatic(inner)) return b.refuse("the sizes that it cuts into blocks aren't known");
  const volume = block.reduce((a, c) => a * c, 1);
  const moved = inner.map((dim, i) => {
    const edge = widths[2 * i]! + widths[2 * i + 1]!;
    return toBatch ? (dim + edge) / block[i]! : dim * block[i]! - edge;
  });
  const outBatch = toBatch ? multiplyDims(batch, volume) : divideDims(batch, volume);
  const finalShape = (whole: Ref): Ref => {
    const outer = toBatch ? multiplyDims(shape[0]!, volume) : divideDims(shape[0]!, volume);
    return b.reshape(whole, [outer, ...shape.slice(1, from + 1), ...moved, ...shape.slice(to + 1)]);
  };
  const own = b.reshape(x, [batch, ...inner, rest]);
  if (block.length <= 2) {
    const type = {dtype: b.dtype(x), shape: [outBatch, ...moved, rest]};
    const operands = [b.ints(block), b.ints(widths, [block.length, 2])];
    const op = toBatch ? "SPACE_TO_BATCH_ND" : "BATCH_TO_SPACE_ND";
    return finalShape(b.raw(op, [own, ...operands], {}, [type])[0]!);
  }
  if (block.length > 3) return b.refuse(`blocks of ${block.length} dimensions`);
  if (toBatch) {
    const padded = widths.some((width) => width > 0)
      ? b.op("PAD", [own], {}, {operands: [b.ints([0, 0, ...widths, 0, 0], [5, 2])]})
      : own;
    const cut = b.reshape(padded, [batch, ...moved.flatMap((dim, i) => [dim, block[i]!]), rest]);
    return finalShape(b.transpose(cut, [2, 4, 6, 0, 1, 3, 5, 7]));
  }
  const blocks = b.reshape(own, [...block, outBatch, ...inner, rest]);
  const whole = inner.map((dim, i) => dim * block[i]!);
  const joined = b.reshape(b.transpose(blocks, [3, 4, 0, 5, 1, 6, 2, 7]), [outBatch, ...whole, rest]);
  const begin = [0, ...block.map((_, i) => widths[2 * i]!), 0];
  return finalShape(b.slice(joined, begin, [-1, ...moved, -1]));
}

const batchBlocks =
  (toBatch: boolean, isOld: boolean): Lowering =>
  ({inputs, types: [type], site}, b) => {
    const [x, ...operands] = inputs;
    const pads = operands[isOld ? 0 : 1]!;
    const edges = b.known(pads);
    const size = isOld ? numberAttribute(site, "block_size") : undefined;
    const block = size === undefined ? b.known(operands[0]!) : [size, size];
    const rank = b.rank(x!);
    if (
      block &&
      edges &&
      b
        .shape(x!)
        .slice(1, 1 + block.length)
        .every(isKnown)
    )
      return moveBlocks(b, x!, block, edges, toBatch);
    // What is computed, or unknown, goes to the kernel as it is.
    if (size !== undefined || (rank !== 3 && rank !== 4) || b.shape(operands[0]!)[0] !== rank - 2)
      return b.refuse("its blocks are computed, or the sizes that it cuts into blocks aren't known");
    const op = toBatch ? "SPACE_TO_BATCH_ND" : "BATCH_TO_SPACE_ND";
    return b.raw(op, [x!, b.operand(operands[0]!), b.cast(pads, "int32")], {}, [type!])[0]!;
  };

export const windowLowerings: LoweringTable = {
  ExtractImagePatches: patches(4),
  ExtractVolumePatches: patches(5),
  Dilation2D: dilation,
  MaxPoolWithArgmax: maxPoolWithArgmax,
  MaxPool3D: pool3d("MAX_POOL_2D"),
  AvgPool3D: pool3d("AVERAGE_POOL_2D"),
  SpaceToBatchND: batchBlocks(true, false),
  BatchToSpaceND: batchBlocks(false, false),
  SpaceToBatch: batchBlocks(true, true),
  BatchToSpace: batchBlocks(false, true),
};
