/**
 * Weights of layers, wherever they are: by path in a `.keras` (specs/convert.md §3.1), in order in a `.h5` (§3.2), by name
 * in what a caller gives. Each is read when its layer is built.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../../convert-error.ts";
import type {Hdf5Object} from "./hdf5/hdf5-file.ts";

/** One weight of a layer. */
export interface WeightSpec {
  /** Unique within the layer: what the builder asks for. */
  readonly key: string;
  /** Last part of the name that Keras gives it: checks that order means the same here and there. */
  readonly name: string;
  /** Below the layer's group in a `.keras`: `vars/0`, `cell/vars/1`. */
  readonly path: string;
  /** Trainable ones come first in a `.h5`. Default: true. */
  readonly trainable?: boolean;
}

/** Own weights of a layer: `vars/0`, `vars/1`… in order. */
export function ownWeights(
  names: readonly (string | false | undefined)[],
  frozen: readonly string[] = [],
): readonly WeightSpec[] {
  return names
    .filter((name): name is string => typeof name === "string")
    .map((name, i) => ({key: name, name, path: `vars/${i}`, ...(frozen.includes(name) && {trainable: false})}));
}

/** Weights of a layer within another: keys below `prefix`, paths below `folder`. */
export function within(prefix: string, folder: string, weights: readonly WeightSpec[]): readonly WeightSpec[] {
  return weights.map((each) => ({...each, key: `${prefix}/${each.key}`, path: `${folder}/${each.path}`}));
}

/** A layer with weights, where it stands in its model. */
export interface WeightOwner {
  /** Names of the models and of the layer, outermost first. */
  readonly path: readonly string[];
  /** Groups in a `.keras`. */
  readonly folder: string;
  readonly specs: readonly WeightSpec[];
  readonly trainable: boolean;
}

/** Gives the tensor of a weight. Throws `CONVERT_KERAS`. */
export type WeightSource = (owner: WeightOwner, spec: WeightSpec) => Tensor;

/** Of a `.keras`: `layers/dense/vars/0`. */
export function weightsByPath(root: Hdf5Object): WeightSource {
  return (owner, spec) => {
    const path = `${owner.folder}/${spec.path}`;
    // Groups within a layer are named by attributes, which versions of Keras have with and without an underscore.
    const other = spec.path.startsWith("_") ? spec.path.slice(1) : `_${spec.path}`;
    const found = root.open(path) ?? root.open(`${owner.folder}/${other}`);
    if (found === undefined || !found.isDataset) throw missing(owner, spec, `the weights have no ${path}`);
    return found.tensor();
  };
}

interface NamedWeight {
  readonly name: string;
  readonly read: () => Tensor;
}

/**
 * Of a `.h5`: each layer of the outermost model has a list; that of a model within it has the trainable weights of all its
 * layers, then the others.
 */
export function weightsInOrder(
  owners: readonly WeightOwner[],
  listOf: (layer: string) => readonly NamedWeight[],
): WeightSource {
  const byLayer = groupBy(owners, ({path}) => path[0]!);
  const found = new Map<string, NamedWeight>();
  const isRead = new Set<string>();
  const assign = (layer: string) => {
    const entries = byLayer.get(layer)!.flatMap((owner) => owner.specs.map((spec) => ({owner, spec})));
    const comesFirst = ({owner, spec}: (typeof entries)[number]) => owner.trainable && spec.trainable !== false;
    const ordered = [...entries.filter(comesFirst), ...entries.filter((each) => !comesFirst(each))];
    const list = listOf(layer);
    if (list.length !== ordered.length) {
      throw new ConvertError(
        "CONVERT_KERAS",
        `layer "${layer}" has ${list.length} weights in the file (${list
          .map(({name}) => name)
          .slice(0, 8)
          .join(", ")}), expected ${ordered.length} (${ordered
          .map(({spec}) => spec.key)
          .slice(0, 8)
          .join(", ")})`,
        {details: {layer}},
      );
    }
    const names = new Set(ordered.map(({owner}) => owner.path.at(-1)!));
    ordered.forEach(({owner, spec}, i) => {
      const {name} = list[i]!;
      const parts = name.replace(/:\d+$/, "").split("/");
      const named = parts.slice(0, -1).findLast((part) => names.has(part));
      const isOther = named !== undefined && named !== owner.path.at(-1) && owner.path.length > 1;
      if (parts.at(-1) !== spec.name || isOther) {
        throw new ConvertError(
          "CONVERT_KERAS",
          `layer "${owner.path.join("/")}": weight ${i} of "${layer}" is "${name}" in the file, expected ${spec.name} of "${owner.path.at(-1)}"`,
          {details: {layer}},
        );
      }
      found.set(keyOf(owner, spec), list[i]!);
    });
  };
  return (owner, spec) => {
    const layer = owner.path[0]!;
    if (!isRead.has(layer)) {
      assign(layer);
      isRead.add(layer);
    }
    return found.get(keyOf(owner, spec))!.read();
  };
}

const keyOf = (owner: WeightOwner, spec: WeightSpec): string => `${owner.path.join("\0")}\0\0${spec.key}`;

/**
 * By name, as TensorFlow.js has them: `dense/kernel`, of inner layers under those layers' names. Weights of a layer are
 * told apart by their order where two have one name.
 */
export function weightsByName(weights: ReadonlyMap<string, Tensor>): WeightSource {
  const groups = groupBy([...weights.keys()], (name) => name.split("/")[0]!);
  return (owner, spec) => {
    const layer = owner.path.at(-1)!;
    const own = groups.get(layer) ?? [...weights.keys()].filter((name) => name.split("/").slice(0, -1).includes(layer));
    const same = own.filter((name) => name.split("/").at(-1)!.replace(/:\d+$/, "") === spec.name);
    const place = owner.specs.filter((each) => each.name === spec.name).findIndex((each) => each.key === spec.key);
    const wanted = owner.specs.filter((each) => each.name === spec.name).length;
    const name = same[place];
    if (name === undefined || same.length !== wanted) {
      throw missing(owner, spec, `${same.length} of its weights are named ${spec.name}, expected ${wanted}`);
    }
    return weights.get(name)!;
  };
}

function missing(owner: WeightOwner, spec: WeightSpec, reason: string): ConvertError {
  const layer = owner.path.join("/");
  return new ConvertError("CONVERT_KERAS", `layer "${layer}" lacks its weight ${spec.key}: ${reason}`, {
    details: {layer},
  });
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group === undefined) groups.set(keyOf(value), [value]);
    else group.push(value);
  }
  return groups;
}
