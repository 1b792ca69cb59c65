/** Small models for tests, made with the format's own writer. */
import type {DType} from "@tf-trusted/tensor";
import {
  type Options,
  type Subgraph,
  type TfliteModel,
  type TfliteTensor,
  type TfliteType,
  writeModel,
} from "@tf-trusted/tflite";

type Shape = readonly number[];

/** A tensor: constant where `data` is given; -1 for open dimensions. */
export interface TensorSketch {
  readonly name: string;
  readonly type: TfliteType;
  readonly shape: Shape;
  readonly data?: Uint8Array;
  readonly isVariable?: boolean;
}

/** A node by names of tensors; `""` for an input left out. */
export interface NodeSketch {
  readonly op: string;
  readonly version?: number;
  /** For `CUSTOM`. */
  readonly customCode?: string;
  readonly customOptions?: Uint8Array;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly options?: readonly [table: string, values: Options];
}

export interface GraphSketch {
  readonly tensors: readonly TensorSketch[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly NodeSketch[];
}

/** The file of one or more graphs, without signatures. */
export function makeModel(...graphs: readonly GraphSketch[]): Uint8Array {
  return writeModel(makeModelValue(...graphs));
}

export function makeModelValue(...graphs: readonly GraphSketch[]): TfliteModel {
  const buffers: Uint8Array[] = [new Uint8Array(0)];
  const operatorCodes: {builtin: string; version: number; customCode?: string}[] = [];
  const codeIndex = ({op, version = 1, customCode}: NodeSketch): number => {
    const found = operatorCodes.findIndex(
      (code) => code.builtin === op && code.version === version && code.customCode === customCode,
    );
    if (found !== -1) return found;
    return operatorCodes.push({builtin: op, version, ...(customCode === undefined ? {} : {customCode})}) - 1;
  };
  const subgraphs = graphs.map(({tensors, inputs, outputs, nodes}, at): Subgraph => {
    const index = (name: string): number => (name === "" ? -1 : tensors.findIndex((tensor) => tensor.name === name));
    return {
      name: `graph${at}`,
      tensors: tensors.map(({name, type, shape, data, isVariable}): TfliteTensor => {
        const open = shape.includes(-1);
        return {
          name,
          type,
          shape: shape.map((dim) => (dim === -1 ? 1 : dim)),
          ...(open ? {shapeSignature: shape} : {}),
          buffer: data === undefined ? 0 : buffers.push(data) - 1,
          ...(isVariable ? {isVariable} : {}),
        };
      }),
      inputs: inputs.map(index),
      outputs: outputs.map(index),
      operators: nodes.map((node) => ({
        opcodeIndex: codeIndex(node),
        inputs: node.inputs.map(index),
        outputs: node.outputs.map(index),
        ...(node.options === undefined ? {} : {optionsType: node.options[0], options: node.options[1]}),
        ...(node.customOptions === undefined ? {} : {customOptions: node.customOptions}),
      })),
    };
  });
  return {version: 3, description: "", operatorCodes, subgraphs, buffers, metadata: [], signatures: []};
}

export function floats(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

export function ints(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

const activation = {fusedActivationFunction: "NONE"};
const binaryOptions: Readonly<Record<string, readonly [string, Options]>> = {
  ADD: ["AddOptions", {...activation, potScaleInt16: true}],
  DIV: ["DivOptions", activation],
  SUB: ["SubOptions", {...activation, potScaleInt16: true}],
  LESS: ["LessOptions", {}],
};

/** `y = x op c`; x of `shape`, c the second input or, given as four-byte elements, a constant. */
export function binaryModel(
  op: "ADD" | "DIV" | "SUB",
  type: "float32" | "int32",
  shape: Shape,
  second?: Uint8Array,
): Uint8Array {
  const c: TensorSketch = {
    name: "c",
    type,
    shape: second === undefined ? shape : [second.length / 4],
    ...(second && {data: second}),
  };
  return makeModel({
    tensors: [{name: "x", type, shape}, c, {name: "y", type, shape}],
    inputs: second === undefined ? ["x", "c"] : ["x"],
    outputs: ["y"],
    nodes: [{op, inputs: ["x", "c"], outputs: ["y"], options: binaryOptions[op]!}],
  });
}

/** `y = reshape(x)` from [2, 3] to [3, 2], of any type. */
export function reshapeModel(type: DType): Uint8Array {
  return makeModel({
    tensors: [
      {name: "x", type, shape: [2, 3]},
      {name: "s", type: "int32", shape: [2], data: ints(3, 2)},
      {name: "y", type, shape: [3, 2]},
    ],
    inputs: ["x"],
    outputs: ["y"],
    nodes: [{op: "RESHAPE", inputs: ["x", "s"], outputs: ["y"], options: ["ReshapeOptions", {newShape: [3, 2]}]}],
  });
}

/** Counts from x [1] in steps of `step` while below 1: with step 0 and x < 1 it never ends, with x >= 1 it does at once. */
export function countingModel(step: number): Uint8Array {
  const scalar = {type: "float32", shape: [1]} as const;
  return makeModel(
    {
      tensors: [
        {name: "x", ...scalar},
        {name: "y", ...scalar},
      ],
      inputs: ["x"],
      outputs: ["y"],
      nodes: [
        {
          op: "WHILE",
          inputs: ["x"],
          outputs: ["y"],
          options: ["WhileOptions", {condSubgraphIndex: 1, bodySubgraphIndex: 2}],
        },
      ],
    },
    {
      tensors: [
        {name: "x", ...scalar},
        {name: "one", ...scalar, data: floats(1)},
        {name: "less", type: "bool", shape: [1]},
      ],
      inputs: ["x"],
      outputs: ["less"],
      nodes: [{op: "LESS", inputs: ["x", "one"], outputs: ["less"], options: binaryOptions.LESS!}],
    },
    {
      tensors: [
        {name: "x", ...scalar},
        {name: "step", ...scalar, data: floats(step)},
        {name: "next", ...scalar},
      ],
      inputs: ["x"],
      outputs: ["next"],
      nodes: [{op: "ADD", inputs: ["x", "step"], outputs: ["next"], options: binaryOptions.ADD!}],
    },
  );
}

/** `y = x + n`, where n counts the calls before this one in a resource variable. x is [-1]. */
export function counterModel(): Uint8Array {
  const handle = {
    op: "VAR_HANDLE",
    inputs: [],
    options: ["VarHandleOptions", {container: "", sharedName: "n"}],
  } as const;
  const one = {type: "float32", shape: [1]} as const;
  return makeModel(
    {
      tensors: [
        {name: "x", type: "float32", shape: [-1]},
        {name: "h", type: "resource", shape: []},
        {name: "n", ...one},
        {name: "one", ...one, data: floats(1)},
        {name: "next", ...one},
        {name: "y", type: "float32", shape: [-1]},
      ],
      inputs: ["x"],
      outputs: ["y"],
      nodes: [
        {op: "CALL_ONCE", inputs: [], outputs: [], options: ["CallOnceOptions", {initSubgraphIndex: 1}]},
        {...handle, outputs: ["h"]},
        {op: "READ_VARIABLE", inputs: ["h"], outputs: ["n"], options: ["ReadVariableOptions", {}]},
        {op: "ADD", inputs: ["n", "one"], outputs: ["next"], options: binaryOptions.ADD!},
        {op: "ASSIGN_VARIABLE", inputs: ["h", "next"], outputs: [], options: ["AssignVariableOptions", {}]},
        {op: "ADD", inputs: ["x", "n"], outputs: ["y"], options: binaryOptions.ADD!},
      ],
    },
    {
      tensors: [
        {name: "h", type: "resource", shape: []},
        {name: "zero", ...one, data: floats(0)},
      ],
      inputs: [],
      outputs: [],
      nodes: [
        {...handle, outputs: ["h"]},
        {op: "ASSIGN_VARIABLE", inputs: ["h", "zero"], outputs: [], options: ["AssignVariableOptions", {}]},
      ],
    },
  );
}

/** `y = table[i]`: a table of four floats, an index that the engine checks while running. */
export function gatherModel(): Uint8Array {
  return makeModel({
    tensors: [
      {name: "table", type: "float32", shape: [4], data: floats(10, 11, 12, 13)},
      {name: "i", type: "int32", shape: [2]},
      {name: "y", type: "float32", shape: [2]},
    ],
    inputs: ["i"],
    outputs: ["y"],
    nodes: [
      {op: "GATHER", inputs: ["table", "i"], outputs: ["y"], options: ["GatherOptions", {axis: 0, batchDims: 0}]},
    ],
  });
}

/** A single node from x to y, whatever it is. */
export function nodeModel(node: Omit<NodeSketch, "inputs" | "outputs">, x: TensorSketch, y: TensorSketch): Uint8Array {
  return makeModel({
    tensors: [x, y],
    inputs: [x.name],
    outputs: [y.name],
    nodes: [{...node, inputs: [x.name], outputs: [y.name]}],
  });
}

/** Dense layers of `width` × `width` one after the other: something to compute for a while. */
export function denseModel(width: number, layers: number): Uint8Array {
  const weights = new Uint8Array(Float32Array.from({length: width * width}, (_, i) => ((i % 7) - 3) / width).buffer);
  const names = Array.from({length: layers + 1}, (_, layer) => `x${layer}`);
  return makeModel({
    tensors: [
      ...names.map((name) => ({name, type: "float32" as const, shape: [-1, width]})),
      {name: "w", type: "float32", shape: [width, width], data: weights},
    ],
    inputs: ["x0"],
    outputs: [`x${layers}`],
    nodes: names.slice(1).map((name, layer) => ({
      op: "FULLY_CONNECTED",
      inputs: [`x${layer}`, "w", ""],
      outputs: [name],
      options: [
        "FullyConnectedOptions",
        {
          fusedActivationFunction: "NONE",
          weightsFormat: "DEFAULT",
          keepNumDims: false,
          asymmetricQuantizeInputs: false,
        },
      ],
    })),
  });
}
