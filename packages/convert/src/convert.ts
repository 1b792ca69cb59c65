/** The pipeline: read → import → passes → lower → passes → emit. */
import type {LazyBytes, Tensor} from "@tf-trusted/tensor";
import {readModel, type TfliteModel, writeModel} from "@tf-trusted/tflite";
import {ConvertError} from "./convert-error.ts";
import {addCounts, countBy} from "./counts.ts";
import {findCut} from "./cut.ts";
import {evaluateSource, type IoType} from "./io-type.ts";
import {toNumbers} from "./ir/dims.ts";
import {allNodes, type Graph, indexOf, nodeOf, type Port, type Quantisation, type ValueDType} from "./ir/graph.ts";
import {sameGraph} from "./ir/same-graph.ts";
import {printGraph} from "./ir/text.ts";
import {verifyGraph} from "./ir/verify.ts";
import {type ConvertLimits, defaultLimits} from "./limits.ts";
import {lowerGraph} from "./lower/index.ts";
import {tfTable} from "./ops/tf/index.ts";
import {lastPasses, narrowingPasses, type Pass, runPass, sourcePasses, targetPasses} from "./passes/index.ts";
import {tallyOf} from "./passes/narrow.ts";
import {describeQuantisation, type QuantisationReport, quantisationNotes} from "./quantise/describe.ts";
import {type Quantize, quantisePasses} from "./quantise/index.ts";
import {type GraphDef, parseGraphDef, recogniseGraphDef} from "./readers/graphdef/graph-def.ts";
import {importGraph} from "./readers/graphdef/import-graph.ts";
import {prepareGraph} from "./readers/graphdef/prepare.ts";
import {type InputRequest, indexNodes, selectNodes} from "./readers/graphdef/select.ts";
import {type Change, type ConvertReport, findDecomposed, unsupportedError} from "./report.ts";
import {emitModel, signatureKey} from "./tflite/emit.ts";
import {withVariables} from "./tflite/variables.ts";

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
   * The dtypes of inputs and outputs. `source` (default): those of the source graph, with casts where the file computes in
   * others. `float32`: no float64, float16, bfloat16 or complex128. `int8`, `uint8`: besides, with `quantize: "keep"`, levels
   * where the graph rounds inputs and outputs to such; their scale and zero are in the signature.
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

export interface ConvertedSignature {
  readonly name: string;
  readonly inputs: readonly SignatureTensor[];
  readonly outputs: readonly SignatureTensor[];
}

export interface ConvertResult {
  /** A `.tflite` file. For a `.tflite` source, the source itself. Put together when it is asked for. */
  readonly model: Uint8Array;
  /** The same file as consecutive parts, for writing a large one out without a copy of its weights. */
  readonly parts: readonly (Uint8Array | LazyBytes)[];
  /** What is in the file. */
  readonly tflite: TfliteModel;
  readonly report: ConvertReport;
  /** The first of `signatures`: the one that callers who name none mean. */
  readonly signature: ConvertedSignature;
  /** All of the file. */
  readonly signatures: readonly ConvertedSignature[];
  /**
   * The outputs of the first signature's source graph for given inputs, by name, from the reference evaluator, with floats
   * of the file's dtypes (levels as the float32 that they stand for); there if `reference` was asked for and the source isn't TensorFlow Lite already. Throws `CONVERT_NO_REFERENCE`, `CONVERT_INPUT_SHAPE`, and
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
  /** What is kept from call to call. Its inputs and outputs are the graph's, but not callers'. */
  readonly state?: readonly StateOfSource[];
}

/** A variable: where it goes into the graph, and comes out if it is written, by the names of ports. */
export interface StateOfSource {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  /** Whether the graph has the output. */
  readonly after?: string;
  readonly initial: Tensor;
}

type SourceOptions = Pick<ConvertOptions, "verify" | "dumpPass" | "float64" | "quantize" | "ioType" | "reference">;

/** All that comes after reading. */
export function convertSource(source: Source, options: SourceOptions): ConvertResult {
  return convertSources([source], options);
}

/**
 * One file with a signature for each source. Sources that are the same graph share what it becomes, and all of them their
 * constants. With `leaveOut`, all but the first may fail: the report says which, and why, after what the reader notes.
 */
export function convertSources(
  sources: readonly Source[],
  options: SourceOptions,
  leaveOut: boolean = false,
  readerNotes: readonly string[] = [],
): ConvertResult {
  const changes = new Map<
    string,
    {readonly effect: Change["effect"]; readonly what: string; readonly nodes: string[]}
  >();
  const change: TellChange = (effect, what, nodes) => {
    const known = changes.get(what);
    if (known) known.nodes.push(...nodes);
    else changes.set(what, {effect, what, nodes: [...nodes]});
  };
  const converted: {readonly source: Source; readonly graph: Graph}[] = [];
  const notes: string[] = [];
  for (const [i, source] of sources.entries()) {
    const same = converted.find((each) => sameGraph(each.source.graph, source.graph));
    if (same !== undefined) {
      converted.push({source, graph: same.graph});
      continue;
    }
    try {
      const told: Parameters<TellChange>[] = [];
      const finished = finishGraph(source, sources.length > 1, options, (...each) => told.push(each));
      for (const each of told) change(...each);
      converted.push({source, graph: finished.graph});
      notes.push(...finished.notes);
    } catch (error) {
      if (!(error instanceof ConvertError) || !leaveOut || i === 0) throw error;
      notes.push(leftOut(source.name, error));
    }
  }
  const [first] = converted as [(typeof converted)[number]];
  const distinct = [...new Set(converted.map(({graph}) => graph))];
  const quantised = options.quantize && mergeQuantisation(distinct, options.quantize);
  const named = withVariables(
    converted.map(({source, graph}) => ({name: source.name, graph, state: source.state ?? []})),
  );
  const {tflite, parts} = emitModel(named);
  const modelBytes = parts.reduce((sum, {length}) => sum + length, 0);
  let model: Uint8Array | undefined;
  if (options.verify) readModel(writeModel(tflite));
  const origins = converted.filter(({graph}, i) => converted.findIndex((each) => each.graph === graph) === i);
  const signatures = named.map(({name, graph}) => ({
    name,
    inputs: graph.inputs.map((port) => describePort(graph, port)),
    outputs: graph.outputs.map((port) => describePort(graph, port)),
  }));
  return {
    get model() {
      model ??= writeModel(tflite);
      return model;
    },
    parts,
    tflite,
    report: {
      format: first.source.format,
      changes: [...changes.values()],
      notes: [...readerNotes, ...notes, ...quantisationNotes(quantised)],
      sourceOperators: countOperators(
        origins.map(({source}) => source.graph),
        /^tf\./,
      ),
      operators: countOperators([...new Set(named.map(({graph}) => graph))], /^tfl\./),
      modelBytes,
      ...(quantised && {quantisation: quantised}),
    },
    signature: signatures[0]!,
    signatures,
    ...(options.reference && {
      reference: rememberState(first.source, (inputs) =>
        evaluateSource(first.source.graph, options.ioType ?? "source", inputs),
      ),
    }),
  };
}

type Evaluate = (inputs: ReadonlyMap<string, Tensor>) => ReadonlyMap<string, Tensor>;

/** What a session sees: each call goes on from what the one before it left. */
function rememberState({state = []}: Source, evaluate: Evaluate): Evaluate {
  if (state.length === 0) return evaluate;
  const values = new Map(state.map(({input, initial}) => [input, initial]));
  return (inputs) => {
    const outputs = new Map(evaluate(new Map([...inputs, ...values])));
    for (const {input, output, after} of state) {
      if (after !== undefined) values.set(input, outputs.get(output)!);
      outputs.delete(output);
    }
    return outputs;
  };
}

/** For the report of a signature that the file doesn't have. */
export function leftOut(signature: string, error: ConvertError): string {
  return `the signature "${signature}" is left out: ${error.message.split("\n").slice(0, 2).join(" ")}`;
}

function mergeQuantisation(graphs: readonly Graph[], quantize: Quantize): QuantisationReport {
  const parts = graphs.map((graph) => describeQuantisation(graph, quantize));
  return {
    mode: quantize,
    constants: parts.flatMap(({constants}) => constants),
    levels: parts.reduce((sum, {levels}) => sum + levels, 0),
    operators: parts.map(({operators}) => operators).reduce(addCounts),
  };
}

type TellChange = (effect: Change["effect"], what: string, nodes: readonly string[]) => void;

/** Passes, lowering, passes. `several` puts the signature's name before what is told. */
function finishGraph(
  source: Source,
  several: boolean,
  options: SourceOptions,
  change: TellChange,
): {readonly graph: Graph; readonly notes: readonly string[]} {
  const prefix = several ? `${source.name}: ` : "";
  const checkNamed = (graph: Graph, pass: string) => check(graph, pass, prefix, options);
  const passNotes: string[] = [];
  let rounded = 0;
  const run = (start: Graph, passes: readonly Pass[]) =>
    passes.reduce((graph, pass) => {
      const tally = (what: string, nodes: string | readonly string[]) => {
        const names = typeof nodes === "string" ? [nodes] : nodes;
        if (what === tallyOf("float64")) rounded += names.length;
        change(pass.effect ?? "rewritten", what, names);
      };
      const next = runPass(pass, graph, tally, (note) => passNotes.push(note));
      checkNamed(next, pass.name);
      return next;
    }, start);

  const quantisation = quantisePasses(options.quantize, options.ioType);
  const lowered = lowerSource();
  const graph = run(lowered.graph, [...quantisation.fused, ...lastPasses]);
  return {graph, notes: [...source.notes, ...lowered.notes, ...passNotes].map((note) => prefix + note)};

  /** A function of its own, so that weights from before a pass aren't held longer than they are needed. */
  function lowerSource(): {readonly graph: Graph; readonly notes: readonly string[]} {
    checkNamed(source.graph, "import");
    const passes = (options.ioType ?? "source") === "source" ? sourcePasses : narrowingPasses;
    const prepared = run(source.graph, [...quantisation.first, ...passes]);
    if (options.float64 === "refuse" && rounded > 0) {
      throw new ConvertError(
        "CONVERT_PRECISION",
        `${rounded} nodes compute with float64, and kernels with float32 only`,
      );
    }
    const {graph: lowest, unsupported, notes} = lowerGraph(prepared);
    if (unsupported.length > 0) {
      const names = new Set(unsupported.map(({node}) => node));
      throw unsupportedError(unsupported, findCut(source.graph, names));
    }
    checkNamed(lowest, "lower");
    const fused = run(lowest, [...quantisation.lowered, ...targetPasses]);
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

function countOperators(graphs: readonly Graph[], dialect: RegExp): Readonly<Record<string, number>> {
  const nodes = graphs.flatMap((graph) => [...allNodes(graph)]).filter(isOperator);
  return countBy(nodes.map((node) => node.op.replace(dialect, "")));
}

function check(graph: Graph, pass: string, prefix: string, options: Pick<ConvertOptions, "verify" | "dumpPass">): void {
  if (options.verify) verifyGraph(graph, pass);
  options.dumpPass?.(prefix + pass, printGraph(graph));
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
  const signatureOf = (signature: TfliteModel["signatures"][number] | undefined): ConvertedSignature => {
    const graph = model.subgraphs[signature?.subgraph ?? 0];
    const describe = (name: string, index: number): SignatureTensor => {
      const tensor = graph!.tensors[index]!;
      return {name, dtype: tensor.type as ValueDType, shape: tensor.shapeSignature ?? tensor.shape};
    };
    const ports = (indices: readonly number[]) =>
      indices.map((tensor) => ({name: graph!.tensors[tensor]!.name, tensor}));
    return {
      name: signature?.key ?? signatureKey,
      inputs: (signature?.inputs ?? ports(graph?.inputs ?? [])).map(({name, tensor}) => describe(name, tensor)),
      outputs: (signature?.outputs ?? ports(graph?.outputs ?? [])).map(({name, tensor}) => describe(name, tensor)),
    };
  };
  const operators = countBy(
    model.subgraphs.flatMap((graph) =>
      graph.operators.map((operator) => model.operatorCodes[operator.opcodeIndex]!.builtin),
    ),
  );
  const signatures = model.signatures.length > 0 ? model.signatures.map(signatureOf) : [signatureOf(undefined)];
  return {
    model: bytes,
    parts: [bytes],
    tflite: model,
    report: {format: "tflite", changes: [], notes, sourceOperators: operators, operators, modelBytes: bytes.length},
    signature: signatures[0]!,
    signatures,
  };
}
