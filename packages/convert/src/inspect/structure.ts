/** What a model file holds: one shape of document for every format. What a format doesn't have is an empty list. */
import type {Cut} from "../cut.ts";

export type ModelKind =
  | "graphdef"
  | "graphdef-text"
  | "saved-model"
  | "keras"
  | "h5"
  | "tfjs"
  | "tfjs-layers"
  | "tflite";

export interface ModelStructure {
  readonly format: ModelKind;
  /** Of all files of the model. */
  readonly fileBytes: number;
  /** What the file says about itself; "" where it says nothing. */
  readonly description: string;
  /** What can be called. A graph, a Keras file and a TensorFlow.js model have one, `serving_default`. */
  readonly signatures: readonly SignatureStructure[];
  /** Of a SavedModel. */
  readonly metaGraphs: readonly MetaGraphStructure[];
  /** Of a GraphDef or SavedModel; subgraphs of a TensorFlow Lite file. */
  readonly functions: readonly FunctionStructure[];
  /** Variables of a checkpoint, weights of layers, weights of a TensorFlow.js manifest. */
  readonly variables: readonly VariableStructure[];
  /** Of a Keras model, with those of inner models. */
  readonly layers: readonly LayerStructure[];
  readonly assets: readonly AssetStructure[];
  /** Operators with their numbers: those that the signatures need, of a SavedModel those of all its functions. */
  readonly operators: Readonly<Record<string, number>>;
  /** Layers by class. */
  readonly layerClasses: Readonly<Record<string, number>>;
  /** Loops, conditions and calls in the file and its functions, as they are there. */
  readonly controlFlow: Readonly<Record<string, number>>;
  readonly sizes: ModelSizes;
  /** Nodes and layers that `convert` would refuse, or that the engine wouldn't run. */
  readonly unsupported: readonly UnsupportedStructure[];
  /** Where to cut so that the rest converts, if something is unsupported and there is such a place. */
  readonly cut: Cut | null;
  /** Why the model, or one of its signatures, can't be converted or run as it is. */
  readonly problems: readonly ProblemStructure[];
  readonly notes: readonly string[];
}

export interface SignatureStructure {
  readonly name: string;
  readonly inputs: readonly PortStructure[];
  readonly outputs: readonly PortStructure[];
  /** Whether calls leave something behind for those that follow. */
  readonly stateful: boolean;
}

export interface PortStructure {
  readonly name: string;
  readonly dtype: string;
  /** -1 where a size is open; `null` where not even the rank is known. */
  readonly shape: readonly number[] | null;
  /** Whether its integers stand for real numbers. */
  readonly quantized: boolean;
}

export interface MetaGraphStructure {
  readonly tags: readonly string[];
  readonly signatures: readonly string[];
  readonly nodes: number;
}

export interface FunctionStructure {
  readonly name: string;
  readonly nodes: number;
  readonly inputs: number;
  readonly outputs: number;
}

export interface VariableStructure {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface LayerStructure {
  /** With the models that it is in: `encoder/dense`. */
  readonly name: string;
  readonly className: string;
  /** Of what its first call gives; `null` where it isn't called or can't be converted. */
  readonly output: {readonly dtype: string; readonly shape: readonly number[]} | null;
  /** Elements of its weights. */
  readonly parameters: number;
}

export interface AssetStructure {
  readonly path: string;
  readonly bytes: number;
}

export interface ModelSizes {
  /** Nodes in the file, without those of functions; operators of a TensorFlow Lite file, calls of layers. */
  readonly nodes: number;
  /** How many of them the outputs of the signatures need. */
  readonly liveNodes: number;
  /** Bytes of the constants that they need. */
  readonly constantBytes: number;
  /** Elements of all variables. */
  readonly parameters: number;
}

export interface UnsupportedStructure {
  readonly node: string;
  readonly operator: string;
  readonly reason: string;
}

export interface ProblemStructure {
  readonly code: string;
  readonly message: string;
  /** Where it concerns one of several. */
  readonly signature?: string;
}

/** A graph to look at. */
export interface GraphView {
  readonly name: string;
  readonly kind: "signature" | "layers" | "graph" | "function" | "subgraph" | "region";
  /** At most as many as were asked for, in topological order. */
  readonly nodes: readonly NodeView[];
  /** How many nodes there are beyond these. */
  readonly leftOut: number;
}

export interface NodeView {
  /** With its scopes: `encoder/dense/MatMul`. */
  readonly name: string;
  /** `input` and `output` are ports of the graph. */
  readonly op: string;
  readonly inputs: readonly EdgeView[];
  readonly outputs: readonly string[];
  readonly attributes: readonly (readonly [name: string, value: string])[];
  /** Names of the views that the node runs: parts of a loop, a function. */
  readonly graphs?: readonly string[];
  /** Why it can't be converted or run. */
  readonly unsupported?: string;
}

/** What a node takes: a value of another node of the same view, or a constant. */
export interface EdgeView {
  /** Index of the node that gives it; -1 for a constant or what isn't shown. */
  readonly from: number;
  /** What it is to the node, where that is known: `kernel`. */
  readonly label?: string;
  /** A constant: `float32 [3, 3, 1, 16]`, with its values where they are few. */
  readonly constant?: string;
  /** The type of the value where the node that gives it doesn't say it alone. */
  readonly output?: number;
}

/** A description with the graphs that it tells of. */
export interface InspectedModel {
  readonly structure: ModelStructure;
  /** Empty where none were asked for. */
  readonly graphs: readonly GraphView[];
}
