/** What a shape rule sees of a node, and how it answers. Rules stand in tables by operator family. */
import type {Options, TfliteType} from "../model.ts";

/** All dimensions known. */
export type Shape = readonly number[];

/** A small tensor whose elements are known: integers and booleans exactly, floats as they are. */
export type Value = readonly number[];

/** Thrown by {@link Node} where a shape or value isn't known: every output of the node is then dynamic for that reason. */
export class Unknown {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Thrown by rules where the shapes are impossible for the operator. */
export class Impossible {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A node whose shapes are wanted. */
export interface Node {
  readonly builtin: string;
  readonly options: Options;
  readonly inputCount: number;
  readonly outputCount: number;
  /** Whether input `index` is there and not left out. */
  has(index: number): boolean;
  /** Throws {@link Unknown} if the shape is dynamic. */
  shape(index: number): Shape;
  /** Row-major elements. Throws {@link Unknown} if they are only known at run time. */
  value(index: number): Value;
  type(index: number): TfliteType;
  outputType(index: number): TfliteType;
  /** Shape of output `index` as the file states it, -1 where unknown. */
  declaredOutput(index: number): Shape;
}

/** Shapes of the outputs, in order. */
export type ShapeRule = (node: Node) => readonly Shape[];
export type ShapeRules = Readonly<Record<string, ShapeRule>>;

/** Elements of output 0, of shape `shape`. Only asked when the shape rule succeeded and the tensor is small. */
export type ValueRule = (node: Node, shape: Shape) => Value;
export type ValueRules = Readonly<Record<string, ValueRule>>;

/** `rules` for each of the operators named. */
export function each<Rule>(operators: string, rule: Rule): Readonly<Record<string, Rule>> {
  return Object.fromEntries(operators.split(" ").map((operator) => [operator, rule]));
}

export function require(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new Impossible(reason);
}

/** A number option; enums and flags have their own accessors. */
export const numberOption = (node: Node, name: string): number => Number(node.options[name] ?? 0);
export const flagOption = (node: Node, name: string): boolean => node.options[name] === true;
export const listOption = (node: Node, name: string): Value =>
  ((node.options[name] ?? []) as readonly (number | bigint)[]).map(Number);

/** A dimension counted from the end if negative. */
export function axisOf(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  require(Number.isInteger(at) && at >= 0 && at < rank, `axis ${axis} of ${rank} dimensions`);
  return at;
}

/** The single element of a known tensor. */
export function scalarValue(node: Node, index: number): number {
  const [value, ...rest] = node.value(index);
  require(value !== undefined &&
    rest.length === 0, `input ${index} has ${rest.length + (value === undefined ? 0 : 1)} elements; expected one`);
  return value;
}

/** A size computed from values: a whole number >= 0 that fits the format. */
export function dimension(value: number): number {
  require(Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff, `a dimension of ${value}`);
  return value;
}

/** NumPy's broadcasting of two shapes. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({length: rank}, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    require(left === right || left === 1 || right === 1, `[${a}] and [${b}] don't broadcast`);
    return left === 1 ? right : left;
  });
}
