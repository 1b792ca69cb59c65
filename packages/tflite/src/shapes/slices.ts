/** STRIDED_SLICE, for its shape and for known values alike. */
import {flagOption, type Node, numberOption, require, type Shape} from "./rule.ts";

/** How one axis of the input is read, and whether it stays in the output. */
interface AxisSlice {
  readonly start: number;
  readonly stride: number;
  readonly count: number;
  readonly dropped: boolean;
}

export interface StridedSlice {
  readonly axes: readonly AxisSlice[];
  readonly shape: Shape;
}

/** Resolves begin, end, strides and the five masks; see tf.strided_slice. */
export function stridedSlice(node: Node): StridedSlice {
  const input = node.shape(0);
  const [begin, given, strides] = [node.value(1), node.value(2), node.value(3)];
  const end = flagOption(node, "offset") ? given.map((value, index) => value + (begin[index] ?? 0)) : given;
  require(begin.length === end.length &&
    end.length === strides.length, `${begin.length}, ${end.length} and ${strides.length} bounds`);
  const bit = (mask: string, index: number) => ((numberOption(node, mask) >> index) & 1) === 1;
  const ellipsis = begin.findIndex((_, index) => bit("ellipsisMask", index));
  const isNew = (index: number) => bit("newAxisMask", index) && index !== ellipsis;
  const named = begin.filter((_, index) => index !== ellipsis && !isNew(index)).length;
  require(named <= input.length, `${named} axes are sliced; the input is [${input}]`);
  const axes: AxisSlice[] = [];
  const shape: number[] = [];
  const whole = (count: number) => {
    for (let left = count; left > 0; left--) {
      const size = input[axes.length]!;
      axes.push({start: 0, stride: 1, count: size, dropped: false});
      shape.push(size);
    }
  };
  for (let index = 0; index < begin.length; index++) {
    if (index === ellipsis) whole(input.length - named);
    else if (isNew(index)) shape.push(1);
    else {
      const dropped = bit("shrinkAxisMask", index);
      const axis = dropped
        ? single(input[axes.length]!, begin[index]!, bit("beginMask", index))
        : ranged(
            input[axes.length]!,
            begin[index]!,
            end[index]!,
            strides[index]!,
            bit("beginMask", index),
            bit("endMask", index),
          );
      axes.push(axis);
      if (!dropped) shape.push(axis.count);
    }
  }
  whole(input.length - axes.length);
  return {axes, shape};
}

function single(size: number, begin: number, masked: boolean): AxisSlice {
  const at = masked ? 0 : begin < 0 ? begin + size : begin;
  require(at >= 0 && at < size, `element ${begin} of ${size}`);
  return {start: at, stride: 1, count: 1, dropped: true};
}

/** The elements of an axis of `size` from `begin` to `end`, clamped to it; an open end is the edge. */
export function ranged(
  size: number,
  begin: number,
  end: number,
  stride: number,
  fromEdge: boolean,
  toEdge: boolean,
): AxisSlice {
  require(stride !== 0, "a stride of 0");
  const [low, high] = stride > 0 ? [0, size] : [-1, size - 1];
  const clamp = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, low), high);
  const start = fromEdge ? (stride > 0 ? low : high) : clamp(begin);
  const stop = toEdge ? (stride > 0 ? high : low) : clamp(end);
  return {start, stride, count: Math.max(0, Math.ceil((stop - start) / stride)), dropped: false};
}
