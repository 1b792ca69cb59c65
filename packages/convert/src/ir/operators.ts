/**
 * What a dialect says of an operator: the types of its outputs, and (for folding constants) their values. The rows live
 * in ops/tf/ and ops/tfl/, by family.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {ConvertError, type ConvertErrorCode} from "../convert-error.ts";
import type {Attribute, Attributes, TensorType} from "./graph.ts";

/** One use of an operator: what its row looks at. */
export interface Site {
  /** Name of the node, for messages. */
  readonly name: string;
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly TensorType[];
  /** The inputs that are constants. */
  readonly constants: readonly (Tensor | undefined)[];
}

export interface Operator {
  readonly name: string;
  /** Types of the outputs. Throws `CONVERT_SHAPE` and `CONVERT_ATTRIBUTE`. */
  readonly infer: (site: Site) => readonly TensorType[];
  /** The outputs for constant inputs, `undefined` where it doesn't know this case. */
  readonly evaluate?: (site: Site, inputs: readonly Tensor[], types: readonly TensorType[]) => Tensor[] | undefined;
  /** The outputs' shapes follow from the inputs' elements: `evaluate` doesn't need them in `types`. */
  readonly sizedByValues?: true;
  /** Steps that `evaluate` takes, where they may be many times the elements that go in and come out. */
  readonly cost?: (site: Site, inputs: readonly Tensor[], types: readonly TensorType[]) => number;
}

export type OperatorTable = ReadonlyMap<string, Operator>;

export function operatorTable(...families: readonly (readonly Operator[])[]): OperatorTable {
  return new Map(families.flat().map((row) => [row.name, row]));
}

export function failAt(site: {readonly name: string; readonly op: string}, code: ConvertErrorCode, message: string) {
  return new ConvertError(code, `node "${site.name}" (${site.op.replace(/^tfl?\./, "")}): ${message}`, {
    details: {node: site.name, operator: site.op},
  });
}

/** An attribute that is a number; the default where it is absent. Throws `CONVERT_ATTRIBUTE`. */
export function numberAttribute(site: Site, key: string, fallback?: number): number {
  return attribute(site, key, (value) => typeof value === "number", "a number", fallback);
}

/** An attribute that is a truth value; false where it is absent, unless told. Throws `CONVERT_ATTRIBUTE`. */
export function booleanAttribute(site: Site, key: string, fallback = false): boolean {
  return attribute(site, key, (value) => typeof value === "boolean", "true or false", fallback);
}

/** An attribute that is a string. Throws `CONVERT_ATTRIBUTE`. */
export function stringAttribute(site: Site, key: string, fallback?: string): string {
  return attribute(site, key, (value) => typeof value === "string", "a string", fallback);
}

/** An attribute that is a list of numbers. Throws `CONVERT_ATTRIBUTE`. */
export function numbersAttribute(site: Site, key: string, fallback?: readonly number[]): readonly number[] {
  const isNumbers = (value: Attribute) => Array.isArray(value) && value.every((each) => typeof each === "number");
  return attribute(site, key, isNumbers, "a list of numbers", fallback);
}

/** An attribute that is a list of strings. Throws `CONVERT_ATTRIBUTE`. */
export function stringsAttribute(site: Site, key: string, fallback?: readonly string[]): readonly string[] {
  const isStrings = (value: Attribute) => Array.isArray(value) && value.every((each) => typeof each === "string");
  return attribute(site, key, isStrings, "a list of strings", fallback);
}

function attribute<T>(site: Site, key: string, test: (v: Attribute) => boolean, wanted: string, fallback?: T): T {
  const value = site.attributes[key];
  if (value === undefined && fallback !== undefined) return fallback;
  if (value === undefined) throw failAt(site, "CONVERT_ATTRIBUTE", `attribute "${key}" is missing; expected ${wanted}`);
  if (!test(value)) throw failAt(site, "CONVERT_ATTRIBUTE", `attribute "${key}" isn't ${wanted}`);
  return value as T;
}
