/** Operator definitions applied to a node: its attributes with defaults, the dtypes of its inputs and outputs. */
import type {Message} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {type AttributeRow, operatorDefinitions} from "../../gen/operator-definitions.ts";
import {type Dim, type Shape, symbolOf} from "../../ir/dims.ts";
import type {Attribute, Attributes, ValueDType} from "../../ir/graph.ts";
import type {NodeDef} from "./graph-def.ts";
import {dataTypeNumbers, dataTypes} from "./schema.ts";
import {type ConstantBudget, decodeTensorProto} from "./tensor-proto.ts";

/** A node with its attributes read. */
export interface DefinedNode {
  readonly attributes: Attributes;
  /** Dtypes of data inputs, `undefined` where the operator isn't in the registry. */
  readonly inputs: readonly (ValueDType | undefined)[] | undefined;
  readonly outputs: readonly ValueDType[] | undefined;
}

/** The most outputs or inputs that an attribute may ask for. */
const maxArguments = 65536;

/** Throws `CONVERT_ATTRIBUTE` and what reading constants throws. */
export function defineNode(node: NodeDef, budget: ConstantBudget): DefinedNode {
  const definition = Object.hasOwn(operatorDefinitions, node.op) ? operatorDefinitions[node.op]! : undefined;
  const attributes: Record<string, Attribute> = {};
  for (const [key, value] of node.attributes) {
    if (key.startsWith("_")) continue;
    const row = definition?.[2][key];
    const read = readAttribute(node, key, value, row?.[0], budget);
    if (read === undefined) continue;
    if (row !== undefined) checkAttribute(node, key, read, row);
    attributes[key] = read;
  }
  if (definition === undefined) return {attributes, inputs: undefined, outputs: undefined};
  const [inputs, outputs, kinds] = definition;
  for (const [key, [kind, fallback]] of Object.entries(kinds)) {
    if (Object.hasOwn(attributes, key)) continue;
    if (fallback === "!") throw attributeError(node, `attribute "${key}" (${kind}) is missing`);
    const value = defaultValue(kind, fallback);
    if (value !== undefined) attributes[key] = value;
  }
  return {
    attributes,
    inputs: inputs.flatMap((argument) => argumentTypes(node, argument, attributes)),
    outputs: outputs.flatMap((argument) => argumentTypes(node, argument, attributes)) as ValueDType[],
  };
}

/** Whether an operator is one of TensorFlow's that the registry tables hold. */
export const isDefined = (op: string): boolean => Object.hasOwn(operatorDefinitions, op);

/** The shape attribute of a Placeholder: symbolic dimensions named after it. */
export function readShape(message: Message | undefined, symbol: string): Shape | undefined {
  if (message === undefined || message.unknown_rank === true) return undefined;
  return ((message.dim ?? []) as Message[]).map((dim, axis): Dim => {
    const size = Number((dim.size ?? 0n) as bigint);
    return size < 0 ? symbolOf(symbol, axis) : size;
  });
}

/** What the registry allows. */
function checkAttribute(node: NodeDef, key: string, value: Attribute, [, , allowed, least]: AttributeRow): void {
  if (allowed && !allowed.includes(value as string)) {
    const found = JSON.stringify(String(value).slice(0, 100));
    throw attributeError(node, `attribute "${key}" is ${found}, expected ${allowed.join(", ")}`);
  }
  if (least === undefined) return;
  const [size, has] = Array.isArray(value) ? [value.length, "has as many elements as"] : [value as number, "is"];
  if (size < least) throw attributeError(node, `attribute "${key}" ${has} ${size}, expected at least ${least}`);
}

function argumentTypes(node: NodeDef, argument: string, attributes: Attributes): (ValueDType | undefined)[] {
  const spec = argument.slice(argument.indexOf(":") + 1).replace("&", "");
  const list = /^\[(.*)\]$/.exec(spec);
  if (list) return typeList(node, list[1]!, attributes);
  const [first, second] = spec.split("*");
  const type = second ?? first!;
  const count = second === undefined ? 1 : attributes[first!];
  if (typeof count !== "number" || !(count >= 0 && count <= maxArguments)) {
    throw attributeError(node, `attribute "${first}" isn't a number from 0 to ${maxArguments}`);
  }
  const dtype = type.startsWith("=") ? registryType(type.slice(1)) : (attributes[type] as ValueDType | undefined);
  return Array.from({length: count}, () => dtype);
}

function typeList(node: NodeDef, key: string, attributes: Attributes): ValueDType[] {
  const types = attributes[key];
  if (!Array.isArray(types)) throw attributeError(node, `attribute "${key}" isn't a list of types`);
  return types as ValueDType[];
}

function registryType(name: string): ValueDType | undefined {
  return dataTypes[dataTypeNumbers[`DT_${name.toUpperCase()}`] ?? 0];
}

function defaultValue(kind: string, fallback: unknown): Attribute | undefined {
  if (fallback === null || fallback === undefined) return undefined;
  if (kind === "type") return registryType(fallback as string);
  if (kind === "list(type)") return (fallback as string[]).map((name) => registryType(name) ?? "variant");
  return fallback as Attribute;
}

const fieldsOfKinds: Readonly<Record<string, string>> = {
  string: "s",
  int: "i",
  float: "f",
  bool: "b",
  type: "type",
  shape: "shape",
  tensor: "tensor",
  func: "func",
};

/** Absent fields are proto3 defaults; a field of another kind is an error where the registry knows better. */
function readAttribute(
  node: NodeDef,
  key: string,
  value: Message,
  kind: string | undefined,
  budget: ConstantBudget,
): Attribute | undefined {
  const isList = kind === undefined ? value.list !== undefined : kind.startsWith("list(");
  if (isList) {
    const element = kind === undefined ? undefined : fieldsOfKinds[kind.slice(5, -1)];
    return readList(node, key, (value.list ?? {}) as Message, element);
  }
  const field = kind === undefined ? Object.keys(value)[0] : fieldsOfKinds[kind];
  if (field === undefined) return undefined;
  const found = Object.keys(value)[0];
  if (found !== undefined && found !== field) {
    throw attributeError(node, `attribute "${key}" holds "${found}", expected ${kind}`);
  }
  const content = value[field];
  switch (field) {
    case "s":
      return new TextDecoder().decode((content ?? new Uint8Array(0)) as Uint8Array);
    case "i":
      return toNumber(node, key, (content ?? 0n) as bigint);
    case "f":
      return (content ?? 0) as number;
    case "b":
      return (content ?? false) as boolean;
    case "type":
      return typeName(Number(content ?? 0));
    case "tensor":
      // Only constants' values matter; and broken tensors elsewhere do no harm.
      return node.op === "Const" ? readConstant(node, value, budget) : undefined;
    case "shape": {
      const shape = readShape(content as Message | undefined, unknownSymbol);
      return shape && [shape.map((dim) => (typeof dim === "string" ? "?" : dim))];
    }
    case "func":
      return ((content as Message | undefined)?.name ?? "") as string;
    default:
      return undefined;
  }
}

const unknownSymbol = "_";

function readConstant(node: NodeDef, value: Message, budget: ConstantBudget): Attribute {
  if (value.tensor === undefined) throw attributeError(node, 'attribute "value" (tensor) is missing');
  return decodeTensorProto(value.tensor as Message, node.name, budget);
}

function readList(node: NodeDef, key: string, list: Message, element: string | undefined): Attribute {
  const field = element ?? Object.keys(list)[0];
  if (field === undefined) return [];
  const values = (list[field] ?? []) as readonly unknown[];
  switch (field) {
    case "s":
      return values.map((each) => new TextDecoder().decode(each as Uint8Array));
    case "i":
      return values.map((each) => toNumber(node, key, each as bigint));
    case "type":
      return values.map((each) => typeName(Number(each)) ?? "variant");
    case "shape":
      return values.map((each) =>
        (readShape(each as Message, unknownSymbol) ?? []).map((dim) => (typeof dim === "string" ? "?" : dim)),
      );
    case "f":
    case "b":
      return values as (number | boolean)[];
    default:
      return [];
  }
}

/** Types are written as the project's dtypes; what it has no name for (quantised, float8) as `dtype<number>`. */
function typeName(number: number): string | undefined {
  const plain = number > 100 ? number - 100 : number;
  return plain === 0 ? undefined : (dataTypes[plain] ?? `dtype${plain}`);
}

function toNumber(node: NodeDef, key: string, value: bigint): number {
  const number = Number(value);
  // The largest int64 serves as "no limit" in some attributes; what it is rounded to serves as well.
  if (Number.isSafeInteger(number) || value >= 2n ** 53n || value <= -(2n ** 53n)) return number;
  throw attributeError(node, `attribute "${key}" is out of range`);
}

function attributeError(node: NodeDef, message: string): ConvertError {
  return new ConvertError("CONVERT_ATTRIBUTE", `node "${node.name}" (${node.op}): ${message}`, {
    details: {node: node.name, operator: node.op},
  });
}
