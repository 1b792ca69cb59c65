/**
 * The reference evaluator over whole graphs: a source graph is computed node by node, by the operators' own `evaluate`
 * rows, for `convert --check` to compare the converted file with. Slow and plain on purpose: every value is a tensor of
 * the dtype that TensorFlow has there (float64 stays float64), every sum is in double precision and rounded once.
 */
import {Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../convert-error.ts";
import {typeOfConstant} from "../ir/builder.ts";
import {isStatic} from "../ir/dims.ts";
import {constantOf, type Graph, type Node, type Ref, refTo, type TensorType} from "../ir/graph.ts";
import type {Site} from "../ir/operators.ts";
import {valueOfType} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import {evaluateList, isListOperator, typeOfList, type Value} from "./lists.ts";

/** Turns of one loop that are computed before giving up: a condition that never ends is the graph's fault, or ours. */
const maxTurns = 100_000;

/**
 * The outputs of a graph of the `tf` dialect for the given inputs, by name. Throws {@link ConvertError}:
 * `CONVERT_NO_REFERENCE` names the first node that has no reference values (random numbers, strings, and the like),
 * `CONVERT_INPUT_SHAPE` an input that is missing or has another dtype, `CONVERT_SHAPE` what doesn't fit together.
 */
export function evaluateGraph(graph: Graph, inputs: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  const given = graph.inputs.map(({name, ref}) => {
    const type = graph.nodes.find((node) => refTo(node.name) === ref)?.outputs[0];
    const value = inputs.get(name);
    if (value === undefined || value.dtype !== type?.dtype) {
      const found = value === undefined ? "nothing" : `${value.dtype} [${value.shape}]`;
      throw new ConvertError("CONVERT_INPUT_SHAPE", `input "${name}" is ${found}, expected ${type?.dtype}`);
    }
    return value;
  });
  const outputs = run(graph, given);
  return new Map(
    graph.outputs.map(({name}, i) => {
      const value = outputs[i]!;
      if (value instanceof Tensor) return [name, value] as const;
      throw new ConvertError("CONVERT_NO_REFERENCE", `output "${name}" is a list of tensors`);
    }),
  );
}

function run(graph: Graph, inputs: readonly Value[]): readonly Value[] {
  const values = new Map<Ref, Value>(graph.inputs.map(({ref}, i) => [ref, inputs[i]!]));
  const lastUses = lastUsesOf(graph);
  for (const [place, node] of graph.nodes.entries()) {
    if (node.op !== "input") {
      const results = runNode(
        node,
        node.inputs.filter((ref) => ref !== "").map((ref) => values.get(ref)!),
      );
      results.forEach((value, i) => {
        values.set(refTo(node.name, i), value);
      });
    }
    for (const ref of node.inputs) if (lastUses.get(ref) === place) values.delete(ref);
  }
  return graph.outputs.map(({ref}) => values.get(ref)!);
}

/** Where each value is needed last, so that it isn't kept longer; outputs are kept. */
function lastUsesOf(graph: Graph): ReadonlyMap<Ref, number> {
  const uses = new Map<Ref, number>();
  graph.nodes.forEach((node, place) => {
    for (const ref of node.inputs) uses.set(ref, place);
  });
  for (const {ref} of graph.outputs) uses.delete(ref);
  return uses;
}

/** The outputs of a node that runs no graphs, for tensors; `undefined` where it has no reference. */
export function evaluateNode(node: Node, inputs: readonly Tensor[]): readonly Tensor[] | undefined {
  const constant = constantOf(node);
  if (constant) return [constant];
  return isListOperator(node.op) ? undefined : evaluateSite(siteOf(node, inputs), inputs);
}

function evaluateSite(site: Site, inputs: readonly Tensor[]): readonly Tensor[] | undefined {
  const row = tfTable.get(site.op);
  if (row === undefined) return undefined;
  const types = row.infer(site);
  const told = types.map(valueOfType);
  if (told.every((value) => value !== undefined)) return told;
  const isSized = row.sizedByValues || types.every(({shape}) => isStatic(shape));
  return isSized ? row.evaluate?.(site, inputs, types) : undefined;
}

const siteOf = (node: Node, inputs: readonly Value[]): Site => ({
  name: node.origin ?? node.name,
  op: node.op,
  attributes: node.attributes,
  inputs: inputs.map(typeOfValue),
  constants: inputs.map((value) => (value instanceof Tensor ? value : undefined)),
});

function runNode(node: Node, inputs: readonly Value[]): readonly Value[] {
  const constant = constantOf(node);
  if (constant) return [constant];
  if (node.regions) return runLoop(node, inputs);
  const site = siteOf(node, inputs);
  if (isListOperator(node.op)) return evaluateList(site, inputs);
  if (handsOn.has(node.op) && !(inputs[0] instanceof Tensor)) return inputs;
  const tensors = inputs.filter((value) => value instanceof Tensor);
  const results = tensors.length < inputs.length ? undefined : evaluateSite(site, tensors);
  if (results === undefined) throw noReference(site);
  return results;
}

function runLoop(node: Node, inputs: readonly Value[]): readonly Value[] {
  const {cond, body} = node.regions!;
  let variables = inputs;
  for (let turn = 0; ; turn++) {
    const [goOn] = run(cond!, variables) as [Tensor];
    if (goOn.bytes[0] === 0) return variables;
    if (turn === maxTurns) {
      throw new ConvertError("CONVERT_LIMIT", `node "${node.name}": the loop goes on after ${maxTurns} turns`);
    }
    variables = run(body!, variables);
  }
}

/** What passes lists on as they are. */
const handsOn: ReadonlySet<string> = new Set(["tf.Identity", "tf.IdentityN"]);

const typeOfValue = (value: Value): TensorType => (value instanceof Tensor ? typeOfConstant(value) : typeOfList(value));

function noReference(site: Site): ConvertError {
  const operator = site.op.replace(/^tf\./, "");
  const types = site.inputs.map(({dtype, shape}) => `${dtype} [${shape?.join() ?? "?"}]`).join(", ");
  return new ConvertError(
    "CONVERT_NO_REFERENCE",
    `node "${site.name}" (${operator}) has no reference values for inputs of ${types}`,
    {details: {node: site.name, operator}},
  );
}
