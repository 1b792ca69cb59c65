/** Selected nodes of a GraphDef → IR in the `tf` dialect: attributes with their defaults, types inferred, checks. */
import {Tensor} from "@tf-trusted/tensor";
import type {Message} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {GraphBuilder, typeOfConstant} from "../../ir/builder.ts";
import {formatDims, type Shape, symbolOf} from "../../ir/dims.ts";
import {type Graph, indexOf, nodeOf, type Port, type Ref, refTo, type TensorType} from "../../ir/graph.ts";
import type {OperatorTable} from "../../ir/operators.ts";
import {leastSizeOfType} from "../../ops/elements.ts";
import {unsupportedError} from "../../report.ts";
import {type DefinedNode, defineNode, readShape} from "./definitions.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";
import {importLoop, isLoop} from "./import-loop.ts";
import type {NodeIndex, SelectedInput, Selection} from "./select.ts";
import type {ConstantBudget} from "./tensor-proto.ts";

/** Operators that read what a frozen graph doesn't hold. */
const variableOperators =
  /^(Variable|VariableV2|TemporaryVariable|VarHandleOp|ReadVariableOp|ResourceGather|AutoReloadVariable)$/;

/** What a graph may still ask for. */
export interface ImportBudget extends ConstantBudget {
  /** Of any one computed value. */
  readonly tensorBytes: number;
}

/**
 * Builds the graph. Throws `CONVERT_NOT_FROZEN`, `CONVERT_GRAPH_INVALID`, `CONVERT_ATTRIBUTE`, `CONVERT_INPUT_SHAPE`, and
 * what reading constants and inferring shapes throw.
 */
export function importGraph(
  graph: GraphDef,
  index: NodeIndex,
  selection: Selection,
  operators: OperatorTable,
  budget: ImportBudget,
): Graph {
  return importRegion(graph, index, selection, operators, budget, 0);
}

/** Loops within loops that are followed. */
const maxDepth = 16;

function importRegion(
  graph: GraphDef,
  index: NodeIndex,
  selection: Selection,
  operators: OperatorTable,
  budget: ImportBudget,
  depth: number,
): Graph {
  if (depth > maxDepth) throw new ConvertError("CONVERT_LIMIT", `loops are nested more than ${maxDepth} deep`);
  refuseVariables(selection);
  refuseLoops(selection);
  const reserved = new Set(selection.nodes.map((node) => node.name));
  const importer = new Importer(graph, index, operators, budget, reserved, depth);
  for (const input of selection.inputs) importer.addInput(input);
  for (const node of selection.nodes) importer.addNode(node);
  return importer.finish(selection);
}

class Importer extends GraphBuilder {
  readonly #graph: GraphDef;
  readonly #index: NodeIndex;
  readonly #operators: OperatorTable;
  readonly #budget: ImportBudget;
  /** How many loops this is within. */
  readonly #depth: number;
  /** Values that are fed, by the ref that the graph has for them. */
  readonly #fed = new Map<Ref, Ref>();
  readonly #outputCounts = new Map<string, number>();

  constructor(
    graph: GraphDef,
    index: NodeIndex,
    operators: OperatorTable,
    budget: ImportBudget,
    reserved: ReadonlySet<string>,
    depth: number,
  ) {
    super(operators, reserved);
    this.#operators = operators;
    this.#depth = depth;
    this.#graph = graph;
    this.#index = index;
    this.#budget = budget;
  }

  addInput(request: SelectedInput): void {
    const node = this.#index.nodes.get(nodeOf(request.ref))!;
    if (request.given !== undefined) {
      this.#addGiven(inputName(request.ref), request.given);
      return;
    }
    const {outputs} = defineNode(node, this.#budget);
    const dtype = request.dtype ?? outputs?.[indexOf(request.ref)];
    if (dtype === undefined) {
      throw new ConvertError(
        "CONVERT_NAME_UNKNOWN",
        `node "${node.name}" has no output ${indexOf(request.ref)}, or none of known dtype`,
        {
          details: {node: node.name},
        },
      );
    }
    const declared = this.#declaredShape(node);
    const shape = request.shape ? mergeShapes(node.name, declared, request.shape) : declared;
    if (shape === undefined) {
      throw new ConvertError("CONVERT_INPUT_SHAPE", `input "${request.name}" has an unknown rank; give its shape`, {
        details: {node: node.name},
      });
    }
    const name = inputName(request.ref);
    const added = {name, op: "input", inputs: [], attributes: {}, outputs: [{dtype, shape}]};
    this.keep(added);
    this.#fed.set(request.ref, refTo(name));
  }

  #addGiven(name: string, given: TensorType | Tensor): void {
    const isConstant = given instanceof Tensor;
    const node = isConstant
      ? {name, op: "const", inputs: [], attributes: {value: given}, outputs: [typeOfConstant(given)]}
      : {name, op: "input", inputs: [], attributes: {}, outputs: [given]};
    this.keep(node);
    this.#fed.set(refTo(name), refTo(name));
  }

  #declaredShape(node: NodeDef): Shape | undefined {
    const shape = readShape(node.attributes.get("shape")?.shape as Message | undefined, node.name);
    // Before GraphDef version 24, "no dimensions" was written for an unknown rank.
    return shape?.length === 0 && this.#graph.producer < 24 && this.#graph.producer > 0 ? undefined : shape;
  }

  addNode(node: NodeDef): void {
    if (this.#fed.has(refTo(node.name)) && this.producer(refTo(node.name))) return;
    const defined = defineNode(node, this.#budget);
    const inputs = this.#index.inputsOf(node).map((ref) => this.#fed.get(ref) ?? ref);
    this.#checkInputs(node, defined, inputs);
    if (isLoop(node)) {
      this.#addLoop(node, inputs);
      return;
    }
    if (node.op === "Const") {
      const value = defined.attributes.value as Tensor;
      if (value.dtype !== defined.attributes.dtype) {
        throw new ConvertError(
          "CONVERT_GRAPH_INVALID",
          `node "${node.name}" (Const): its value is ${value.dtype}, but its attribute dtype says ${defined.attributes.dtype}`,
          {details: {node: node.name}},
        );
      }
      this.keep({name: node.name, op: "const", inputs: [], attributes: {value}, outputs: [typeOfConstant(value)]});
      return;
    }
    const op = `tf.${node.op}`;
    this.keep({
      name: node.name,
      op,
      inputs,
      attributes: defined.attributes,
      outputs: this.#types(node, op, inputs, defined),
    });
  }

  #addLoop(node: NodeDef, inputs: readonly Ref[]): void {
    const operands = inputs.map((ref) => ({type: this.type(ref), constant: this.constantAt(ref)}));
    const {cond, body, kept, types, unchanged} = importLoop(this.#graph, node, operands, (graph, index, selection) =>
      importRegion(graph, index, selection, this.#operators, this.#budget, this.#depth + 1),
    );
    this.keep({
      name: node.name,
      op: "tf.While",
      inputs: kept.map((i) => inputs[i]!),
      attributes: {},
      outputs: types,
      regions: {cond, body},
    });
    inputs.forEach((operand, i) => {
      this.#fed.set(refTo(node.name, i), unchanged[i] ? operand : refTo(node.name, kept.indexOf(i)));
    });
  }

  finish(selection: Selection): Graph {
    const outputs = selection.outputs.map((source, i): Port => {
      const ref = this.#fed.get(source) ?? source;
      const node = this.producer(ref)!;
      if (indexOf(ref) < node.outputs.length) {
        return {name: selection.outputNames?.[i] ?? outputName(source), ref};
      }
      throw new ConvertError(
        "CONVERT_NAME_UNKNOWN",
        `node "${node.name}" (${node.op.slice(3)}) has no output ${indexOf(ref)}; it has ${node.outputs.length}`,
        {details: {node: node.name}},
      );
    });
    const inputs = selection.inputs
      .filter(({given}) => !(given instanceof Tensor))
      .map(({ref, as}): Port => ({name: as ?? inputName(ref), ref: this.#fed.get(ref)!}));
    return this.build(inputs, outputs);
  }

  #types(node: NodeDef, op: string, inputs: readonly Ref[], defined: DefinedNode): readonly TensorType[] {
    if (this.knows(op)) {
      const types = this.inferTypes(op, inputs, defined.attributes, node.name);
      defined.outputs?.forEach((declared, i) => {
        // Of what an unknown operator makes, nobody knows the dtype.
        const isOpen = types[i]?.dtype === "variant" || declared === "resource";
        if (types[i] !== undefined && types[i].dtype !== declared && !isOpen) {
          throw mismatch(node, `output ${i} would be ${types[i].dtype} where ${declared} is declared`);
        }
      });
      for (const type of types) this.#checkSize(node, type);
      return types;
    }
    if (defined.outputs !== undefined) {
      return defined.outputs.map((dtype) => ({dtype: dtype ?? "variant", shape: undefined}));
    }
    // Of an operator that nobody knows, only as many outputs exist as somebody uses.
    return Array.from({length: this.#usedOutputs(node.name)}, () => ({dtype: "variant", shape: undefined}));
  }

  #checkSize(node: NodeDef, type: TensorType): void {
    const bytes = leastSizeOfType(type);
    if (bytes <= this.#budget.tensorBytes) return;
    throw new ConvertError(
      "CONVERT_LIMIT",
      `node "${node.name}" (${node.op}) would give ${formatDims(type.shape)}, ${bytes} bytes at least; expected at most ${this.#budget.tensorBytes}`,
      {details: {node: node.name, operator: node.op}},
    );
  }

  #usedOutputs(name: string): number {
    if (this.#outputCounts.size === 0) {
      for (const node of this.#index.nodes.values()) {
        for (const ref of this.#index.inputsOf(node)) {
          const seen = this.#outputCounts.get(nodeOf(ref)) ?? 1;
          this.#outputCounts.set(nodeOf(ref), Math.min(64, Math.max(seen, indexOf(ref) + 1)));
        }
      }
    }
    return this.#outputCounts.get(name) ?? 1;
  }

  #checkInputs(node: NodeDef, {inputs: wanted}: DefinedNode, inputs: readonly Ref[]): void {
    if (wanted !== undefined && wanted.length !== inputs.length) {
      throw mismatch(node, `has ${inputs.length} inputs, expected ${wanted.length}`);
    }
    inputs.forEach((ref, i) => {
      const producer = this.producer(ref);
      // Not there yet: the back edge of a loop, which a later step refuses by its operators.
      if (producer === undefined) return;
      const type = producer.outputs[indexOf(ref)];
      if (type === undefined) {
        throw mismatch(
          node,
          `input ${i} is output ${indexOf(ref)} of "${producer.name}", which has ${producer.outputs.length}`,
        );
      }
      const declared = wanted?.[i];
      // A variable's handle has become its value (saved-model/freeze.ts).
      const unknown = type.dtype === "variant" || declared === undefined || declared === "resource";
      if (!unknown && type.dtype !== declared) {
        throw mismatch(node, `input ${i} ("${producer.name}") is ${type.dtype} where ${declared} is declared`);
      }
    });
  }
}

export function inputName(ref: Ref): string {
  return indexOf(ref) === 0 ? nodeOf(ref) : ref.replace(/:(\d+)$/, "_$1");
}

/** `node` for the first output of a node, `node:k` for the others. */
export function outputName(ref: Ref): string {
  return indexOf(ref) === 0 ? nodeOf(ref) : ref;
}

function refuseVariables(selection: Selection): void {
  const found = selection.nodes.filter((node) => variableOperators.test(node.op));
  if (found.length === 0) return;
  const names = found.slice(0, 20).map((node) => `"${node.name}" (${node.op})`);
  const more = found.length > names.length ? `, and ${found.length - names.length} more` : "";
  throw new ConvertError(
    "CONVERT_NOT_FROZEN",
    `the graph is not frozen: variable ${names.join(", ")}${more} has no value in the file; freeze it first`,
    {details: {nodes: found.map((node) => node.name)}},
  );
}

/** Loops of TensorFlow 1 aren't acyclic, as the IR is. */
function refuseLoops(selection: Selection): void {
  const loops = selection.nodes.filter((node) => node.op === "NextIteration");
  if (loops.length === 0) return;
  const control = selection.nodes.filter((node) =>
    /^(Enter|Exit|NextIteration|LoopCond|Switch|Merge|TensorArray\w*)$/.test(node.op),
  );
  throw unsupportedError(
    control.map((node) => ({
      node: node.name,
      operator: node.op,
      reason: "loops of TensorFlow 1 aren't lowered yet",
      inputs: [],
    })),
  );
}

function mergeShapes(name: string, declared: Shape | undefined, given: readonly number[]): Shape {
  const fits =
    declared === undefined ||
    (declared.length === given.length &&
      declared.every((dim, axis) => typeof dim === "string" || given[axis] === -1 || given[axis] === dim));
  const valid = given.every((size) => Number.isSafeInteger(size) && size >= -1 && size < 2 ** 31);
  if (!fits || !valid || given.length > 8) {
    throw new ConvertError(
      "CONVERT_INPUT_SHAPE",
      `input "${name}": the shape [${given}] doesn't fit [${declared?.map((dim) => (typeof dim === "string" ? -1 : dim))}]`,
      {details: {node: name}},
    );
  }
  return given.map((size, axis) => (size >= 0 ? size : (declared?.[axis] ?? symbolOf(name, axis))));
}

function mismatch(node: NodeDef, message: string): ConvertError {
  return new ConvertError("CONVERT_GRAPH_INVALID", `node "${node.name}" (${node.op}): ${message}`, {
    details: {node: node.name, operator: node.op},
  });
}
