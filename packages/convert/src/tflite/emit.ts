/** A graph of the `tfl` dialect → a TfliteModel and the parts of its file. */
import type {LazyBytes, Tensor} from "@tf-trusted/tensor";
import {
  type Options,
  type OptionValue,
  operatorVersion,
  type Quantization,
  type SignatureDef,
  type Subgraph,
  shapesMetadata,
  TfliteError,
  type TfliteModel,
  type TfliteOperator,
  type TfliteTensor,
  type TfliteType,
  writeModelParts,
} from "@tf-trusted/tflite";
import {hashBytes, sameBytes} from "../bytes/hash.ts";
import {ConvertError} from "../convert-error.ts";
import {isKnown, isStatic, toNumbers} from "../ir/dims.ts";
import {
  type Attributes,
  type Graph,
  type Quantisation as IrQuantisation,
  indexOf,
  type Node,
  nodeOf,
  originOf,
  type Port,
  type Ref,
  refTo,
  type TensorType,
} from "../ir/graph.ts";
import {tflTable} from "../ops/tfl/index.ts";
import {version} from "../version.ts";
import {tensorNames} from "./tensor-names.ts";

/** Key of a graph's one signature, as everybody expects it. */
export const signatureKey = "serving_default";

const options = {description: "Converted by TF Trusted."} as const;

/** A graph under the name that it is called by. */
export interface NamedGraph {
  readonly name: string;
  readonly graph: Graph;
}

export interface EmittedModel {
  readonly tflite: TfliteModel;
  /** The file, in parts. */
  readonly parts: readonly (Uint8Array | LazyBytes)[];
}

/**
 * A model with these signatures, in this order; those of one graph share its subgraph. Throws `CONVERT_ATTRIBUTE` and
 * `CONVERT_SHAPE` for numbers that the format has no room for, with the node that they come from.
 */
export function emitModel(signatures: readonly NamedGraph[]): EmittedModel {
  const emitter = new ModelEmitter();
  const tflite = emitter.model(signatures);
  try {
    return {tflite, parts: writeModelParts(tflite)};
  } catch (cause) {
    throw emitter.blame(cause, tflite);
  }
}

/** The formulas of the outputs' shapes, for engines to specialise by (tflite/shapes/formulas.ts). */
function shapeClaims(signatures: readonly NamedGraph[]): Uint8Array {
  const shapes = (graph: Graph, ports: readonly Port[]) =>
    Object.fromEntries(
      ports.map(({name, ref}) => {
        const node = graph.nodes.find((each) => each.name === nodeOf(ref))!;
        return [name, node.outputs[indexOf(ref)]!.shape ?? null];
      }),
    );
  const claims = {
    converter: `TF Trusted ${version}`,
    signatures: Object.fromEntries(
      signatures.map(({name, graph}) => [
        name,
        {inputs: shapes(graph, graph.inputs), outputs: shapes(graph, graph.outputs)},
      ]),
    ),
  };
  return new TextEncoder().encode(JSON.stringify(claims));
}

/** What all subgraphs share: buffers, operator codes, and the list of subgraphs itself. */
class ModelEmitter {
  readonly #buffers: (Uint8Array | LazyBytes)[] = [new Uint8Array(0)];
  readonly #bufferIndices = new Map<Uint8Array | LazyBytes, number>();
  readonly #bufferHashes = new Map<number, readonly number[]>();
  readonly #codes: {builtin: string; version: number}[] = [];
  readonly #subgraphs: (Subgraph | undefined)[] = [];
  readonly #graphIndices = new Map<Graph, number>();
  /** The source's names for operators and tensors of each subgraph. */
  readonly #origins: (Origins | undefined)[] = [];

  model(named: readonly NamedGraph[]): TfliteModel {
    const signatures = named.map(({name, graph}, i): SignatureDef => {
      const index = this.subgraph(graph, i === 0 ? "main" : name);
      const {inputs, outputs} = this.#subgraphs[index]!;
      return {
        key: name,
        subgraph: index,
        inputs: graph.inputs.map(({name}, i) => ({name, tensor: inputs[i]!})),
        outputs: graph.outputs.map(({name}, i) => ({name, tensor: outputs[i]!})),
      };
    });
    return {
      version: 3,
      description: options.description,
      operatorCodes: this.#codes,
      subgraphs: this.#subgraphs as readonly Subgraph[],
      buffers: [...this.#buffers, shapeClaims(named)],
      metadata: [{name: shapesMetadata, buffer: this.#buffers.length}],
      signatures,
    };
  }

  /** Adds a graph and what it runs, once; gives its index. */
  subgraph(graph: Graph, name: string): number {
    const known = this.#graphIndices.get(graph);
    if (known !== undefined) return known;
    const index = this.#subgraphs.push(undefined) - 1;
    this.#graphIndices.set(graph, index);
    const emitter = new SubgraphEmitter(this);
    this.#subgraphs[index] = emitter.subgraph(graph, name);
    this.#origins[index] = emitter.origins;
    return index;
  }

  /** An error of the writer as one that names the node of the source. */
  blame(cause: unknown, {subgraphs, operatorCodes}: TfliteModel): unknown {
    if (!(cause instanceof TfliteError) || cause.code !== "TFLITE_UNWRITABLE") return cause;
    const found = /subgraphs\[(\d+)\]\.(operators|tensors)\[(\d+)\]\.?(.*)$/.exec(String(cause.details.at ?? ""));
    if (found === null) return cause;
    const [, subgraph, part, index, field] = found as unknown as readonly [
      string,
      string,
      keyof Origins,
      string,
      string,
    ];
    const node = this.#origins[Number(subgraph)]?.[part][Number(index)];
    if (node === undefined) return cause;
    const operator = part === "operators" ? subgraphs[Number(subgraph)]!.operators[Number(index)] : undefined;
    const builtin = operator === undefined ? "" : ` (as ${operatorCodes[operator.opcodeIndex]!.builtin})`;
    const said = cause.message.slice(cause.message.lastIndexOf(": ") + 2);
    const code = part === "operators" ? "CONVERT_ATTRIBUTE" : "CONVERT_SHAPE";
    return new ConvertError(code, `node "${node}"${builtin}: ${field}: ${said}`, {cause, details: {node}});
  }

  /** Equal values, as in the parts of a loop, are stored once. */
  buffer(value: Tensor): number {
    const known = this.#bufferIndices.get(value.lazyBytes);
    if (known !== undefined) return known;
    const bytes = packed(value);
    const hash = hashBytes(bytes);
    const candidates = this.#bufferHashes.get(hash) ?? [];
    const same = candidates.find((each) => sameBytes(this.#buffers[each]!, bytes));
    const index = same ?? this.#buffers.push(bytes) - 1;
    if (same === undefined) this.#bufferHashes.set(hash, [...candidates, index]);
    this.#bufferIndices.set(value.lazyBytes, index);
    return index;
  }

  code(builtin: string, version: number): number {
    const found = this.#codes.findIndex((code) => code.builtin === builtin && code.version === version);
    if (found >= 0) return found;
    this.#codes.push({builtin, version});
    return this.#codes.length - 1;
  }
}

interface Origins {
  readonly operators: string[];
  readonly tensors: string[];
}

class SubgraphEmitter {
  readonly #model: ModelEmitter;
  readonly origins: Origins = {operators: [], tensors: []};
  readonly #tensors: TfliteTensor[] = [];
  readonly #indices = new Map<Ref, number>();
  readonly #operators: TfliteOperator[] = [];
  #names: ReadonlyMap<string, string> = new Map();
  #originNames: ReadonlyMap<string, string> = new Map();

  constructor(model: ModelEmitter) {
    this.#model = model;
  }

  subgraph(graph: Graph, name: string): Subgraph {
    this.#names = tensorNames(graph, name);
    this.#originNames = new Map(graph.nodes.map((node) => [node.name, originOf(node)]));
    // Inputs first, in the order of the signature.
    const inputs = graph.inputs.map(({ref}) => this.#addInput(graph, ref));
    for (const node of graph.nodes) this.#addNode(node);
    const outputs = graph.outputs.map(({ref}) => this.#indices.get(ref)!);
    return {name, tensors: this.#tensors, inputs, outputs, operators: this.#operators};
  }

  #addInput(graph: Graph, ref: Ref): number {
    const node = graph.nodes.find((each) => refTo(each.name) === ref)!;
    return this.#tensor(ref, this.#nameOf(node), node.outputs[0]!);
  }

  #nameOf(node: Node): string {
    return this.#names.get(node.name)!;
  }

  #addNode(node: Node): void {
    if (node.op === "input") {
      if (!this.#indices.has(refTo(node.name))) this.#tensor(refTo(node.name), this.#nameOf(node), node.outputs[0]!);
      return;
    }
    if (node.op === "const") {
      const value = node.attributes.value as Tensor;
      this.#tensor(refTo(node.name), this.#nameOf(node), node.outputs[0]!, this.#model.buffer(value));
      return;
    }
    const builtin = node.op.slice(4);
    const outputs = node.outputs.map((type, i) => {
      const name = i === 0 ? this.#nameOf(node) : `${this.#nameOf(node)}:${i}`;
      return this.#tensor(refTo(node.name, i), name, type);
    });
    const inputs = node.inputs.map((ref) => (ref === "" ? -1 : this.#indices.get(ref)!));
    const optionsType = tflTable.get(node.op)!.options;
    const fields = {...optionsOf(node.attributes), ...this.#regionFields(node)};
    const version = operatorVersion(builtin, {
      inputs: inputs.map((index) => this.#tensors[index]),
      outputs: outputs.map((index) => this.#tensors[index]!),
      options: fields,
    });
    this.origins.operators.push(originOf(node));
    this.#operators.push({
      opcodeIndex: this.#model.code(builtin, version),
      inputs,
      outputs,
      ...(optionsType === undefined ? {} : {optionsType, options: fields}),
    });
  }

  /** `condSubgraphIndex` for the region `cond`, and so on. */
  #regionFields(node: Node): Options {
    const {regions = {}} = node;
    const parts = Object.keys(regions).sort().reverse();
    return Object.fromEntries(
      parts.map((part) => [`${part}SubgraphIndex`, this.#model.subgraph(regions[part]!, `${originOf(node)}/${part}`)]),
    );
  }

  #tensor(ref: Ref, name: string, type: TensorType, buffer = 0): number {
    const shape = type.shape ?? [];
    this.#tensors.push({
      name,
      type: type.dtype as TfliteType,
      shape: shape.map((dim) => (isKnown(dim) ? dim : 1)),
      ...(isStatic(shape) ? {} : {shapeSignature: toNumbers(shape)}),
      hasRank: type.shape !== undefined,
      buffer,
      ...(type.quantisation ? {quantization: toFile(type.quantisation)} : {}),
    });
    this.origins.tensors.push(this.#originNames.get(nodeOf(ref)) ?? nodeOf(ref));
    this.#indices.set(ref, this.#tensors.length - 1);
    return this.#tensors.length - 1;
  }
}

function toFile({scale, zero, axis}: IrQuantisation): Quantization {
  return {scale, zeroPoint: zero.map(BigInt), quantizedDimension: axis};
}

/** int4 is two elements a byte in files, low nibble first. */
function packed(value: Tensor): Uint8Array | LazyBytes {
  if (value.dtype !== "int4") return value.lazyBytes;
  return Uint8Array.from(
    {length: Math.ceil(value.size / 2)},
    (_, i) => (value.bytes[2 * i]! & 15) | (((value.bytes[2 * i + 1] ?? 0) & 15) << 4),
  );
}

/** Fields of the schema's type `long`. */
const longFields: ReadonlySet<string> = new Set(["seed", "seed2"]);

function optionsOf(attributes: Attributes): Options {
  const entries = Object.entries(attributes as Readonly<Record<string, OptionValue>>);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, longFields.has(key) ? BigInt(value as number) : value]),
  );
}
