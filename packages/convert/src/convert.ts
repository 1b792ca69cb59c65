/** The pipeline: read → import → passes → lower → passes → emit. */
import type {Tensor} from "@tf-trusted/tensor";
import {readModel, type TfliteModel} from "@tf-trusted/tflite";
import {ConvertError} from "./convert-error.ts";
import {findCut} from "./cut.ts";
import {evaluateGraph} from "./evaluate/evaluate-graph.ts";
import {toNumbers} from "./ir/dims.ts";
import {allNodes, type Graph, indexOf, nodeOf, type Port, type Quantisation, type ValueDType} from "./ir/graph.ts";
import {printGraph} from "./ir/text.ts";
import {verifyGraph} from "./ir/verify.ts";
import {type ConvertLimits, defaultLimits} from "./limits.ts";
import {lowerGraph} from "./lower/index.ts";
import {tfTable} from "./ops/tf/index.ts";
import {lastPasses, type Pass, runPass, sourcePasses, targetPasses} from "./passes/index.ts";
import {tallyOf} from "./passes/narrow.ts";
import {describeQuantisation, quantisationNotes} from "./quantise/describe.ts";
import {type Quantize, quantisePasses} from "./quantise/index.ts";
import type {IoType} from "./quantise/interface.ts";
import {type GraphDef, parseGraphDef, recogniseGraphDef} from "./readers/graphdef/graph-def.ts";
import {importGraph} from "./readers/graphdef/import-graph.ts";
import {prepareGraph} from "./readers/graphdef/prepare.ts";
import {type InputRequest, indexNodes, selectNodes} from "./readers/graphdef/select.ts";
import {type Change, type ConvertReport, countBy, findDecomposed, unsupportedError} from "./report.ts";
import {emitModel, signatureKey} from "./tflite/emit.ts";

export type ModelFormat = "auto" | "graphdef" | "graphdef-text" | "tflite";

export interface ConvertOptions {
  /** `node` or `node:k`, with a shape where the graph's isn't the one wanted. Default: the placeholders. */
  readonly inputs?: readonly (string | InputRequest)[];
  /** `node` or `node:k`. Default: what nothing else uses. */
  readonly outputs?: readonly string[];
  /** Default: by content. */
  readonly format?: ModelFormat;
  /** Checks the graph after every pass, and the file by reading it back. */
  readonly verify?: boolean;
  /** Gets the text of the graph after every pass, in order. */
  readonly dumpPass?: (name: string, text: string) => void;
  /**
   * What to do where a graph computes with float64, which no kernel does: `narrow` (default) computes in float32, says so
   * in the report, and has seven digits; `refuse` throws `CONVERT_PRECISION`, for those who need more than that.
   */
  readonly float64?: "narrow" | "refuse";
  /**
   * Smaller files and faster kernels for less precision. `weights` stores weights as int8 and `float16` as float16, with
   * inputs and outputs float32; `keep` makes int8 arithmetic of a graph's fake quantisation, which is computed in float
   * without it. The report says what was quantised. Default: nothing.
   */
  readonly quantize?: Quantize;
  /**
   * With `quantize: "keep"`: the dtype of inputs and outputs that the graph rounds to levels. Their scale and zero are in
   * the signature. Default: float32, quantised inside.
   */
  readonly ioType?: IoType;
  /** Keeps the source graph, so that the result's `reference` can compute what TensorFlow would. Default: false. */
  readonly reference?: boolean;
  readonly limits?: Partial<ConvertLimits>;
}

export interface SignatureTensor {
  readonly name: string;
  readonly dtype: ValueDType;
  /** -1 where unknown. */
  readonly shape: readonly number[];
  /** Of integers that stand for real numbers: real = scale·(integer − zero). */
  readonly quantisation?: Quantisation;
}

export interface ConvertResult {
  /** A `.tflite` file. For a `.tflite` source, the source itself. */
  readonly model: Uint8Array;
  readonly report: ConvertReport;
  readonly signature: {
    readonly name: string;
    readonly inputs: readonly SignatureTensor[];
    readonly outputs: readonly SignatureTensor[];
  };
  /**
   * The source graph's outputs for given inputs, by name, from the reference evaluator; there if `reference` was asked
   * for and the source isn't TensorFlow Lite already. Throws `CONVERT_NO_REFERENCE`, `CONVERT_INPUT_SHAPE`, and
   * `CONVERT_SHAPE` where the inputs don't fit.
   */
  readonly reference?: (inputs: ReadonlyMap<string, Tensor>) => ReadonlyMap<string, Tensor>;
}

/**
 * Converts a frozen TensorFlow graph to a TensorFlow Lite file. Pure: the same bytes and options give the same file.
 * Throws {@link ConvertError}; `CONVERT_OP_UNSUPPORTED` names every node that can't be converted at once.
 *
 * ```ts
 * const {model, signature} = convert(await readFile("digits.pb"), {outputs: ["probabilities"]});
 * ```
 */
export function convert(bytes: Uint8Array, options: ConvertOptions = {}): ConvertResult {
  const limits = {...defaultLimits, ...options.limits};
  const format = recogniseFormat(bytes, options.format, limits);
  if (format === "tflite") return passThrough(bytes, options);
  return convertSource(
    {...readGraph(parseGraphDef(bytes, format), options, limits), format, name: signatureKey},
    options,
  );
}

/** A graph ready for the passes. */
export interface Source {
  readonly graph: Graph;
  readonly notes: readonly string[];
  readonly format: ConvertReport["format"];
  /** Of the signature. */
  readonly name: string;
}

/** All that comes after reading. */
export function convertSource(
  source: Source,
  options: Pick<ConvertOptions, "verify" | "dumpPass" | "float64" | "quantize" | "ioType" | "reference">,
): ConvertResult {
  const changes = new Map<
    string,
    {readonly effect: Change["effect"]; readonly what: string; readonly nodes: string[]}
  >();
  const change = (effect: Change["effect"], what: string, nodes: readonly string[]) => {
    const known = changes.get(what);
    if (known) known.nodes.push(...nodes);
    else changes.set(what, {effect, what, nodes: [...nodes]});
  };
  const passNotes: string[] = [];
  const run = (start: Graph, passes: readonly Pass[]) =>
    passes.reduce((graph, pass) => {
      const tally = (what: string, nodes: string | readonly string[]) =>
        change(pass.effect ?? "rewritten", what, typeof nodes === "string" ? [nodes] : nodes);
      const next = runPass(pass, graph, tally, (note) => passNotes.push(note));
      check(next, pass.name, options);
      return next;
    }, start);

  const quantisation = quantisePasses(options.quantize, options.ioType);
  const lowered = lowerSource();
  const finished = run(lowered.graph, [...quantisation.fused, ...lastPasses]);
  const quantised = options.quantize && describeQuantisation(finished, options.quantize);
  const model = emitModel(finished, source.name);
  if (options.verify) readModel(model);

  return {
    model,
    report: {
      format: source.format,
      changes: [...changes.values()],
      notes: [...source.notes, ...lowered.notes, ...passNotes, ...quantisationNotes(quantised)],
      sourceOperators: countBy(
        [...allNodes(source.graph)].filter(isOperator).map((node) => node.op.replace(/^tf\./, "")),
      ),
      operators: countBy([...allNodes(finished)].filter(isOperator).map((node) => node.op.replace(/^tfl\./, ""))),
      modelBytes: model.length,
      ...(quantised && {quantisation: quantised}),
    },
    signature: {
      name: source.name,
      inputs: finished.inputs.map((port) => describePort(finished, port)),
      outputs: finished.outputs.map((port) => describePort(finished, port)),
    },
    ...(options.reference && {reference: (inputs) => evaluateGraph(source.graph, inputs)}),
  };

  /** A function of its own, so that weights from before a pass aren't held while the file is written. */
  function lowerSource(): {readonly graph: Graph; readonly notes: readonly string[]} {
    check(source.graph, "import", options);
    const prepared = run(source.graph, [...quantisation.first, ...sourcePasses]);
    const rounded = changes.get(tallyOf("float64"))?.nodes.length ?? 0;
    if (options.float64 === "refuse" && rounded > 0) {
      throw new ConvertError(
        "CONVERT_PRECISION",
        `${rounded} nodes compute with float64, and kernels with float32 only`,
      );
    }
    const {graph, unsupported, notes} = lowerGraph(prepared);
    if (unsupported.length > 0) {
      const names = new Set(unsupported.map(({node}) => node));
      throw unsupportedError(unsupported, findCut(source.graph, names));
    }
    check(graph, "lower", options);
    const fused = run(graph, [...quantisation.lowered, ...targetPasses]);
    for (const [what, nodes] of findDecomposed(prepared, fused)) change("decomposed", what, nodes);
    return {graph: fused, notes};
  }
}

/** Parses, selects and imports: all that comes before the passes. */
export function readGraph(
  graph: GraphDef,
  options: ConvertOptions,
  limits: ConvertLimits,
): {readonly graph: Graph; readonly notes: readonly string[]} {
  const definition = prepareGraph(graph);
  const index = indexNodes(definition);
  const requests = options.inputs?.map((input) => (typeof input === "string" ? {name: input} : input));
  const selection = selectNodes(index, requests, options.outputs);
  if (selection.nodes.length > limits.maxNodes) {
    throw new ConvertError("CONVERT_LIMIT", `${selection.nodes.length} nodes, expected at most ${limits.maxNodes}`);
  }
  const imported = importGraph(definition, index, selection, tfTable, {
    bytes: limits.maxConstantBytes,
    tensorBytes: limits.maxTensorBytes,
  });
  return {graph: imported, notes: selection.notes};
}

/** What the bytes are; refuses what is too large before anything is read. */
export function recogniseFormat(
  bytes: Uint8Array,
  wanted: ModelFormat = "auto",
  limits: ConvertLimits = defaultLimits,
): Exclude<ModelFormat, "auto"> {
  if (bytes.length > limits.maxBytes) {
    throw new ConvertError("CONVERT_LIMIT", `the file has ${bytes.length} bytes, expected at most ${limits.maxBytes}`);
  }
  if (wanted !== "auto") return wanted;
  const isTflite = bytes.length >= 8 && String.fromCharCode(...bytes.subarray(4, 8)) === "TFL3";
  return isTflite ? "tflite" : recogniseGraphDef(bytes);
}

const isOperator = (node: {readonly op: string}) => node.op !== "const" && node.op !== "input";

function check(graph: Graph, pass: string, options: Pick<ConvertOptions, "verify" | "dumpPass">): void {
  if (options.verify) verifyGraph(graph, pass);
  options.dumpPass?.(pass, printGraph(graph));
}

function describePort(graph: Graph, {name, ref}: Port): SignatureTensor {
  const {dtype, shape, quantisation} = graph.nodes.find((node) => node.name === nodeOf(ref))!.outputs[indexOf(ref)]!;
  return {name, dtype, shape: toNumbers(shape ?? []), ...(quantisation && {quantisation})};
}

/** A file that is TensorFlow Lite already is only read, so that its signature can be told. */
function passThrough(bytes: Uint8Array, {quantize}: ConvertOptions): ConvertResult {
  const notes =
    quantize === undefined ? [] : ["the file is TensorFlow Lite already, and stays as it is: not quantised"];
  const model: TfliteModel = readModel(bytes);
  const signature = model.signatures[0];
  const graph = model.subgraphs[signature?.subgraph ?? 0];
  const describe = (name: string, index: number): SignatureTensor => {
    const tensor = graph!.tensors[index]!;
    return {name, dtype: tensor.type as ValueDType, shape: tensor.shapeSignature ?? tensor.shape};
  };
  const ports = (indices: readonly number[]) => indices.map((tensor) => ({name: graph!.tensors[tensor]!.name, tensor}));
  const operators = countBy(
    graph?.operators.map((operator) => model.operatorCodes[operator.opcodeIndex]!.builtin) ?? [],
  );
  return {
    model: bytes,
    report: {format: "tflite", changes: [], notes, sourceOperators: operators, operators, modelBytes: bytes.length},
    signature: {
      name: signature?.key ?? signatureKey,
      inputs: (signature?.inputs ?? ports(graph?.inputs ?? [])).map(({name, tensor}) => describe(name, tensor)),
      outputs: (signature?.outputs ?? ports(graph?.outputs ?? [])).map(({name, tensor}) => describe(name, tensor)),
    },
  };
}
