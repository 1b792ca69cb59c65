/** Reference values of what moves blocks between dimensions: depth and space, batch and space. */
import type {Tensor} from "@tf-trusted/tensor";
import {numberAttribute, type Site, stringAttribute} from "../../ir/operators.ts";
import {gatherElements, stridesOf, transposeTensor} from "../elements.ts";

const count = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** SpaceToDepth and DepthToSpace; in NCHW the depth is split in the same order. */
export function evaluateBlocks(site: Site, x: Tensor, toDepth: boolean): Tensor[] {
  const size = numberAttribute(site, "block_size");
  const isFirst = stringAttribute(site, "data_format", "NHWC") === "NCHW";
  const [batch, height, width, depth] = (isFirst ? [0, 2, 3, 1] : [0, 1, 2, 3]).map((axis) => x.shape[axis]!);
  const nhwc = isFirst ? transposeTensor(x, [0, 2, 3, 1]) : x;
  const whole = toDepth
    ? transposeTensor(nhwc.reshape([batch!, height! / size, size, width! / size, size, depth!]), [0, 1, 3, 2, 4, 5])
    : transposeTensor(nhwc.reshape([batch!, height!, width!, size, size, depth! / size ** 2]), [0, 1, 3, 2, 4, 5]);
  const y = toDepth
    ? whole.reshape([batch!, height! / size, width! / size, depth! * size ** 2])
    : whole.reshape([batch!, height! * size, width! * size, depth! / size ** 2]);
  return [isFirst ? transposeTensor(y, [0, 3, 1, 2]) : y];
}

/** Pads and cuts the dimensions after the first into blocks, whose offsets go to the batch: outermost. */
export function evaluateSpaceToBatch(x: Tensor, block: readonly number[], pads: readonly number[]): Tensor[] {
  const padded = x.shape.map((dim, axis) =>
    axis === 0 || axis > block.length ? dim : dim + pads[2 * axis - 2]! + pads[2 * axis - 1]!,
  );
  const shape = padded.map((dim, axis) =>
    axis === 0 ? dim * count(block) : axis > block.length ? dim : dim / block[axis - 1]!,
  );
  const [strides, source] = [stridesOf(shape), stridesOf(x.shape)];
  const offsets = stridesOf(block);
  return [
    gatherElements(x, shape, (index) => {
      const batch = Math.floor(index / strides[0]!);
      const offset = Math.floor(batch / x.shape[0]!);
      let at = (batch % x.shape[0]!) * source[0]!;
      for (let axis = 1; axis < shape.length; axis++) {
        let i = Math.floor(index / strides[axis]!) % shape[axis]!;
        if (axis <= block.length) {
          const within = Math.floor(offset / offsets[axis - 1]!) % block[axis - 1]!;
          i = i * block[axis - 1]! + within - pads[2 * axis - 2]!;
          if (i < 0 || i >= x.shape[axis]!) return -1;
        }
        at += i * source[axis]!;
      }
      return at;
    }),
  ];
}

/** The reverse, less what is cropped. */
export function evaluateBatchToSpace(x: Tensor, block: readonly number[], crops: readonly number[]): Tensor[] {
  const batch = x.shape[0]! / count(block);
  const shape = x.shape.map((dim, axis) => {
    if (axis === 0) return batch;
    return axis > block.length ? dim : dim * block[axis - 1]! - crops[2 * axis - 2]! - crops[2 * axis - 1]!;
  });
  const [strides, source] = [stridesOf(shape), stridesOf(x.shape)];
  const offsets = stridesOf(block);
  return [
    gatherElements(x, shape, (index) => {
      let offset = 0;
      let at = 0;
      for (let axis = 1; axis < shape.length; axis++) {
        let i = Math.floor(index / strides[axis]!) % shape[axis]!;
        if (axis <= block.length) {
          i += crops[2 * axis - 2]!;
          offset += (i % block[axis - 1]!) * offsets[axis - 1]!;
          i = Math.floor(i / block[axis - 1]!);
        }
        at += i * source[axis]!;
      }
      return at + (offset * batch + Math.floor(index / strides[0]!)) * source[0]!;
    }),
  ];
}
