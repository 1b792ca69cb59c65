/**
 * Fixing the shapes of one subgraph's inputs and outputs: LiteRT resizes unsafely (specs/litert.md T1, §5), so it only ever
 * sees files with the dimensions of the call. The file is written anew from the checked model rather than patched: what the
 * engine parses is then only what our writer made, and overlapping structures of a forged file are gone.
 */
import type {SignatureDef, TfliteModel, TfliteTensor} from "./model.ts";
import {TfliteError} from "./tflite-error.ts";
import {writeModel} from "./write-model.ts";

export type Shapes = readonly (readonly number[])[];

/** What a signature's shapes are set to: one for each input and output of its subgraph, in the subgraph's order. */
export interface Specialisation {
  /** Index of the subgraph; a signature's is `signature.subgraph`. */
  readonly subgraph: number;
  readonly inputs: Shapes;
  readonly outputs: Shapes;
}

/** The tensors' dimensions before a call: unknown ones -1. */
export function declaredShape({shape, shapeSignature}: TfliteTensor): readonly number[] {
  return shapeSignature ?? shape;
}

/**
 * The file of a model with the given shapes for the inputs and outputs of a subgraph. Throws `TFLITE_SPECIALISE` if they
 * don't fit the declared ones: count, rank, dimensions that are fixed, two shapes for a tensor.
 */
export function specialise(model: TfliteModel, wanted: Specialisation): Uint8Array {
  return writeModel(specialiseModel(model, wanted));
}

/** The same as a model value. Throws `TFLITE_SPECIALISE`. */
export function specialiseModel(model: TfliteModel, wanted: Specialisation): TfliteModel {
  const shapes = shapesByTensor(model, wanted);
  const subgraphs = model.subgraphs.map((graph, index) => {
    if (index !== wanted.subgraph) return graph;
    const tensors = graph.tensors.map((tensor, at) => {
      const shape = shapes.get(at);
      if (shape === undefined) return tensor;
      return {...tensor, shape, ...(tensor.shapeSignature === undefined ? {} : {shapeSignature: shape})};
    });
    return {...graph, tensors};
  });
  return {...model, subgraphs};
}

/** A signature's named shapes as those of its subgraph. Throws `TFLITE_SPECIALISE` if one is missing. */
export function namedShapes(
  model: TfliteModel,
  signature: SignatureDef,
  inputs: Readonly<Record<string, readonly number[]>>,
  outputs: Readonly<Record<string, readonly number[]>>,
): Specialisation {
  const graph = model.subgraphs[signature.subgraph]!;
  const pick = (
    tensors: readonly number[],
    entries: SignatureDef["inputs"],
    shapes: Readonly<Record<string, readonly number[]>>,
  ) =>
    tensors.map((tensor) => {
      const entry = entries.find((each) => each.tensor === tensor && Object.hasOwn(shapes, each.name));
      if (entry !== undefined) return shapes[entry.name]!;
      const known = declaredShape(graph.tensors[tensor]!);
      if (!known.includes(-1)) return known;
      throw misfit(`signature "${signature.key}": no shape is given for tensor ${tensor} of [${known}]`);
    });
  return {
    subgraph: signature.subgraph,
    inputs: pick(graph.inputs, signature.inputs, inputs),
    outputs: pick(graph.outputs, signature.outputs, outputs),
  };
}

function shapesByTensor(
  model: TfliteModel,
  {subgraph, inputs, outputs}: Specialisation,
): ReadonlyMap<number, readonly number[]> {
  const graph = model.subgraphs[subgraph];
  if (graph === undefined) throw misfit(`subgraph ${subgraph} doesn't exist; there are ${model.subgraphs.length}`);
  const shapes = new Map<number, readonly number[]>();
  for (const [what, tensors, given] of [
    ["input", graph.inputs, inputs],
    ["output", graph.outputs, outputs],
  ] as const) {
    if (tensors.length !== given.length) {
      throw misfit(`found ${given.length} ${what} shapes; subgraph ${subgraph} has ${tensors.length} ${what}s`);
    }
    tensors.forEach((index, position) => {
      const shape = given[position]!;
      const declared = declaredShape(graph.tensors[index]!);
      const fits =
        shape.length === declared.length && shape.every((dimension, axis) => fitsDimension(dimension, declared[axis]!));
      if (!fits)
        throw misfit(
          `${what} ${position} (tensor ${index}): found shape [${shape}]; expected [${declared}], -1 for any`,
        );
      const other = shapes.get(index);
      if (other !== undefined && other.join() !== shape.join()) {
        throw misfit(`tensor ${index} is given the shapes [${other}] and [${shape}]`);
      }
      shapes.set(index, shape);
    });
  }
  return shapes;
}

const fitsDimension = (dimension: number, declared: number): boolean =>
  Number.isInteger(dimension) &&
  dimension >= 0 &&
  dimension <= 0x7fff_ffff &&
  (declared === -1 || declared === dimension);

function misfit(message: string): TfliteError {
  return new TfliteError("TFLITE_SPECIALISE", message);
}
