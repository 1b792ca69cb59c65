/** A Keras model: its layers with what they give, and the graph of their calls. Inner models are scopes. */
import type {Dim} from "../ir/dims.ts";
import type {TensorType} from "../ir/graph.ts";
import {addressesIn, type ParsedLayer, type ParsedModel, type TensorAddress} from "../readers/keras/model-config.ts";
import {type Budget, cut, typeText} from "./graph-view.ts";
import type {
  EdgeView,
  GraphView,
  LayerStructure,
  NodeView,
  UnsupportedStructure,
  VariableStructure,
} from "./structure.ts";

/** What is known of a layer beside its configuration. */
export interface LayerFacts {
  /** Of its first call. */
  readonly outputs: ReadonlyMap<ParsedLayer, readonly TensorType[]>;
  readonly weights: ReadonlyMap<string, readonly VariableStructure[]>;
}

interface Placed {
  readonly path: string;
  readonly layer: ParsedLayer;
}

/** All layers with those of inner models, as they are written; without recursion, as models may be nested by strangers. */
function layersOf(model: ParsedModel): readonly Placed[] {
  const found: Placed[] = [];
  const pending = [{prefix: "", model}];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const {prefix} = next;
    for (const layer of next.model.layers.values()) {
      const path = prefix + layer.name;
      found.push({path, layer});
      if (layer.kind.type === "model") pending.push({prefix: `${path}/`, model: layer.kind.model});
    }
  }
  return found;
}

export function describeLayers(model: ParsedModel, facts: LayerFacts): readonly LayerStructure[] {
  return layersOf(model).map(({path, layer}) => {
    const [first] = facts.outputs.get(layer) ?? [];
    const weights = facts.weights.get(path) ?? [];
    return {
      name: path,
      className: layer.className,
      output:
        first?.shape === undefined
          ? null
          : {dtype: first.dtype, shape: first.shape.map((dim: Dim) => (typeof dim === "number" ? dim : -1))},
      parameters: weights.reduce((sum, {shape}) => sum + shape.reduce((product, size) => product * size, 1), 0),
    };
  });
}

export const calls = (model: ParsedModel): number =>
  layersOf(model).reduce((sum, {layer}) => sum + layer.calls.length, 0);

/** Where a value of a model comes from: a node of the view and which of its outputs. */
interface Origin {
  readonly from: number;
  readonly output: number;
}

/** The calls of the outermost model and of those within, each inner call as nodes of its own scope. */
export function viewOfLayers(
  model: ParsedModel,
  facts: LayerFacts,
  unsupported: readonly UnsupportedStructure[],
  budget: Budget,
): GraphView {
  const reasons = new Map(unsupported.map(({node, reason}) => [node, reason]));
  const nodes: NodeView[] = [];
  let leftOut = 0;
  const add = (node: NodeView): number => {
    if (budget.nodes <= 0) {
      leftOut++;
      return -1;
    }
    budget.nodes--;
    nodes.push(node);
    return nodes.length - 1;
  };
  const outputsOf = (layer: ParsedLayer) =>
    (facts.outputs.get(layer) ?? []).map(({dtype, shape}) => typeText(dtype, shape));

  const nodeFor = (
    prefix: string,
    path: string,
    layer: ParsedLayer,
    call: number,
    inputs: readonly EdgeView[],
  ): number => {
    const reason = reasons.get(path);
    const weights = (facts.weights.get(path) ?? []).map(
      ({name, dtype, shape}): EdgeView => ({
        from: -1,
        label: cut(name.slice(name.lastIndexOf("/") + 1)),
        constant: typeText(dtype, shape),
      }),
    );
    return add({
      name: prefix + layer.name + (call > 0 ? ` (call ${call + 1})` : ""),
      op: layer.kind.type === "input" ? "input" : layer.className,
      inputs: [...inputs, ...weights],
      outputs: outputsOf(layer),
      attributes: Object.entries(layer.config.values)
        .filter(([, value]) => value !== null)
        .slice(0, 64)
        .map(([key, value]) => [key, cut(typeof value === "string" ? value : (JSON.stringify(value) ?? ""))] as const),
      ...(reason !== undefined && {unsupported: reason}),
    });
  };

  /** `path` is that of the file, `prefix` that of the view, where a call has its number. */
  const addModel = (
    each: ParsedModel,
    path: string,
    prefix: string,
    given: readonly Origin[] | undefined,
    depth: number,
  ): readonly Origin[] => {
    const results = new Map<string, readonly Origin[]>();
    each.inputs.forEach(({address}, i) => {
      const layer = each.layers.get(address.layer);
      const origin = given?.[i];
      if (layer === undefined) return;
      results.set(key(address), [origin ?? {from: nodeFor(prefix, path + layer.name, layer, 0, []), output: 0}]);
    });
    const edgesOf = (addresses: readonly TensorAddress[]): readonly Origin[] =>
      addresses.flatMap((address) => {
        const origins = results.get(key(address)) ?? [];
        return origins.length === 0 ? [] : [origins[address.tensor] ?? {...origins[0]!, output: address.tensor}];
      });
    for (const {layer, node, call} of inOrder(each)) {
      const origins = edgesOf(addressesIn([call.args, call.kwargs]));
      const at = key({layer: layer.name, node});
      const number = node - layer.firstCall;
      if (layer.kind.type === "model" && depth < maxDepth && budget.nodes > 0) {
        // Models that share models multiply without a node of their own.
        budget.nodes--;
        const own = `${path}${layer.name}/`;
        const scope = `${prefix}${layer.name}${number > 0 ? ` (call ${number + 1})` : ""}/`;
        results.set(at, addModel(layer.kind.model, own, scope, origins, depth + 1));
        continue;
      }
      const inputs = origins.map(({from, output}): EdgeView => ({from, ...(output > 0 && {output})}));
      const index = nodeFor(prefix, path + layer.name, layer, number, inputs);
      const count = Math.max(1, (facts.outputs.get(layer) ?? []).length);
      results.set(
        at,
        Array.from({length: count}, (_, output) => ({from: index, output})),
      );
    }
    return edgesOf(each.outputs.map(({address}) => address));
  };

  const results = addModel(model, "", "", undefined, 0);
  results.forEach(({from, output}, i) => {
    const type = nodes[from]?.outputs[output];
    const {key: name, address} = model.outputs[i]!;
    add({
      name: name ?? address.layer,
      op: "output",
      inputs: [{from, ...(output > 0 && {output})}],
      outputs: type === undefined ? [] : [type],
      attributes: [],
    });
  });
  return {name: "layers", kind: "layers", nodes, leftOut};
}

const maxDepth = 32;
const key = ({layer, node}: Pick<TensorAddress, "layer" | "node">): string => `${node}\0${layer}`;

/** Calls so that each comes behind what it needs; those of a circle, which is refused elsewhere, at the end. */
function inOrder(model: ParsedModel) {
  const all = [...model.layers.values()].flatMap((layer) =>
    layer.calls.map((call, i) => ({layer, call, node: i + layer.firstCall})),
  );
  const byKey = new Map(all.map((each) => [key({layer: each.layer.name, node: each.node}), each]));
  const waiting = new Map<string, number>();
  const users = new Map<string, string[]>();
  for (const [own, {call}] of byKey) {
    const needed = new Set(
      addressesIn([call.args, call.kwargs])
        .map(key)
        .filter((each) => byKey.has(each)),
    );
    waiting.set(own, needed.size);
    for (const each of needed) users.set(each, [...(users.get(each) ?? []), own]);
  }
  const ordered = [...waiting].filter(([, count]) => count === 0).map(([own]) => own);
  for (let i = 0; i < ordered.length; i++) {
    for (const user of users.get(ordered[i]!) ?? []) {
      const left = waiting.get(user)! - 1;
      waiting.set(user, left);
      if (left === 0) ordered.push(user);
    }
  }
  const done = new Set(ordered);
  return [...ordered, ...[...byKey.keys()].filter((each) => !done.has(each))].map((each) => byKey.get(each)!);
}
