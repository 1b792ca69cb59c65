/**
 * Every output written by an operator of its own. LiteRT hands out buffers for what operators write: for an output that
 * is an input, a constant, what is computed while it prepares (SHAPE …) or a tensor named twice, it gives whatever lies
 * in the buffer, and outputs beside such a one are lost too. The same holds for what comes out of a loop or condition that
 * sizes tensors during the run (docs/findings.md).
 */
import {
  type BufferData,
  operatorVersion,
  type Subgraph,
  type TfliteModel,
  type TfliteOperator,
  type TfliteTensor,
} from "@tf-trusted/tflite";
import {isAllocatedInRun} from "./settle-shapes.ts";
import {delayName, shapeReaders} from "./without-empty.ts";

/** Dtypes that EQUAL compares. */
const comparable: ReadonlySet<string> = new Set(["float32", "int8", "int16", "int32", "int64", "uint8", "bool"]);

export interface OwnedModel {
  readonly model: TfliteModel;
  /** Subgraphs that got one more input, their last: `delayName`. */
  readonly delayed: ReadonlySet<number>;
}

/**
 * Adds copies where outputs need them, in each of `subgraphs` (those that signatures name), whose shapes are fixed; and an
 * input where there is none that keeps a copy from being computed too early. The values are not changed.
 */
export function ownOutputs(model: TfliteModel, subgraphs: ReadonlySet<number>): OwnedModel {
  const delayed = new Set<number>();
  const owned = [...subgraphs].reduce((changed, index) => {
    const copier = new Copier(changed, index);
    const result = copier.run();
    if (copier.isDelayed) delayed.add(index);
    return result;
  }, model);
  return {model: owned, delayed};
}

class Copier {
  readonly #index: number;
  readonly #model: TfliteModel;
  readonly #graph: Subgraph;
  readonly #buffers: BufferData[];
  readonly #codes: TfliteModel["operatorCodes"][number][];
  readonly #tensors: TfliteTensor[];
  readonly #operators: TfliteOperator[];
  #delay: number | undefined;

  constructor(model: TfliteModel, index: number) {
    this.#model = model;
    this.#index = index;
    this.#graph = model.subgraphs[index]!;
    this.#buffers = [...model.buffers];
    this.#codes = [...model.operatorCodes];
    this.#tensors = [...this.#graph.tensors];
    this.#operators = [...this.#graph.operators];
  }

  /** Whether there is one more input. */
  get isDelayed(): boolean {
    return this.#delay !== undefined;
  }

  run(): TfliteModel {
    const {inputs, outputs} = this.#graph;
    const prepared = this.#prepared();
    const unsettled = new Set(
      this.#graph.operators.flatMap((each) => (isAllocatedInRun(this.#model, this.#graph, each) ? each.outputs : [])),
    );
    const copies = outputs.map((tensor, at) => {
      if (prepared.has(tensor)) return this.#copy(tensor, this.#condition());
      if (inputs.includes(tensor) || unsettled.has(tensor) || outputs.indexOf(tensor) < at)
        return this.#copy(tensor, this.#constant("bool", [1], []));
      return tensor;
    });
    if (copies.every((tensor, at) => tensor === outputs[at])) return this.#model;
    const added = this.#delay === undefined ? [] : [this.#delay];
    const graph = {
      ...this.#graph,
      tensors: this.#tensors,
      operators: this.#operators,
      inputs: [...inputs, ...added],
      outputs: copies,
    };
    return {
      ...this.#model,
      buffers: this.#buffers,
      operatorCodes: this.#codes,
      subgraphs: this.#model.subgraphs.map((each, at) => (at === this.#index ? graph : each)),
      signatures: this.#model.signatures.map((signature) => {
        if (signature.subgraph !== this.#index) return signature;
        const named = new Map<number, number>();
        return {
          ...signature,
          inputs: [...signature.inputs, ...added.map((tensor) => ({name: delayName, tensor}))],
          outputs: signature.outputs.map(({name, tensor}) => {
            // A tensor that a signature names more often than the graph does has its last place there.
            const places = outputs.flatMap((each, at) => (each === tensor ? [copies[at]!] : []));
            const turn = named.get(tensor) ?? 0;
            named.set(tensor, turn + 1);
            return {name, tensor: places[Math.min(turn, places.length - 1)] ?? tensor};
          }),
        };
      }),
    };
  }

  /** Constants, shapes, and what depends on nothing else: computed before the first run. */
  #prepared(): ReadonlySet<number> {
    const {tensors, inputs, operators} = this.#graph;
    const prepared = new Set<number>([-1]);
    for (const [index, tensor] of tensors.entries()) {
      const isConstant = this.#model.buffers[tensor.buffer]!.length > 0;
      if (isConstant && !inputs.includes(index)) prepared.add(index);
    }
    for (const operator of operators) {
      const {builtin} = this.#model.operatorCodes[operator.opcodeIndex]!;
      const isPrepared = shapeReaders.has(builtin) || operator.inputs.every((tensor) => prepared.has(tensor));
      if (isPrepared) for (const output of operator.outputs) prepared.add(output);
    }
    return prepared;
  }

  /** A selection between a tensor and itself takes every dtype and rank, and its condition decides when it is computed. */
  #copy(tensor: number, condition: number): number {
    const {quantization, name, type, shape} = this.#tensors[tensor]!;
    const copy = {name: `${name}/own`, type, shape, buffer: 0, ...(quantization && {quantization})};
    return this.#emit("SELECT_V2", [condition, tensor, tensor], copy);
  }

  /** A truth value that isn't known before an input is: whether all elements of it equal themselves. */
  #condition(): number {
    const input = this.#graph.inputs.find((tensor) => comparable.has(this.#tensors[tensor]!.type));
    if (input === undefined) {
      this.#delay ??= this.#tensors.push({name: delayName, type: "bool", shape: [], buffer: 0}) - 1;
      return this.#delay;
    }
    const {name, shape} = this.#tensors[input]!;
    const equal = this.#emit("EQUAL", [input, input], {name: `${name}/equal`, type: "bool", shape, buffer: 0});
    if (shape.length === 0) return equal;
    const axes = this.#constant("int32", [...shape.keys()]);
    return this.#emit("REDUCE_ALL", [equal, axes], {name: `${name}/all`, type: "bool", shape: [], buffer: 0});
  }

  #constant(type: "bool" | "int32", values: readonly number[], shape: readonly number[] = [values.length]): number {
    const bytes = type === "bool" ? Uint8Array.from(values) : new Uint8Array(Int32Array.from(values).buffer);
    this.#buffers.push(bytes);
    const buffer = this.#buffers.length - 1;
    return this.#tensors.push({name: `own/constant_${buffer}`, type, shape, buffer}) - 1;
  }

  #emit(builtin: string, inputs: readonly number[], output: TfliteTensor): number {
    const index = this.#tensors.push(output) - 1;
    const version = operatorVersion(builtin, {inputs: inputs.map((at) => this.#tensors[at]!), outputs: [output]});
    let opcodeIndex = this.#codes.findIndex((code) => code.builtin === builtin && code.version === version);
    if (opcodeIndex === -1) opcodeIndex = this.#codes.push({builtin, version}) - 1;
    this.#operators.push({opcodeIndex, inputs, outputs: [index]});
    return index;
  }
}
