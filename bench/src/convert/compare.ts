/**
 * One network, converted by us and by the official converter: sizes, operators of all subgraphs, and times in the engine,
 * run by turns so that what else the machine does meets both alike.
 */
import {readFileSync} from "node:fs";
import {percentiles} from "@tf-trusted/cli";
import {convert} from "@tf-trusted/convert";
import type {Engine, LoadedModel} from "@tf-trusted/litert";
import type {Tensor} from "@tf-trusted/tensor";
import {readModel} from "@tf-trusted/tflite";
import type {Net} from "./corpus.ts";

export interface Pair {
  readonly ours: number;
  readonly official: number;
}

export interface Comparison {
  readonly name: string;
  readonly bytes: Pair;
  readonly operators: Pair;
  /** Operators whose numbers differ; absent without the official file. */
  readonly byOperator?: Readonly<Record<string, Pair>>;
  /** Milliseconds, p50 of the engine's own; absent without the official file. */
  readonly engineMs?: Pair;
}

/** How many runs of each, at least and at most, and when it is enough. */
export interface Rounds {
  readonly least: number;
  readonly most: number;
  readonly enoughMs: number;
}

export async function compareNet(engine: Engine, net: Net, rounds: Rounds): Promise<Comparison> {
  const {model} = convert(readFileSync(net.file), {outputs: net.outputs});
  const counts = countOperators(model);
  const bytes = {ours: model.length, official: net.official?.length ?? net.officialBytes};
  if (net.official === undefined) {
    return {name: net.name, bytes, operators: {ours: total(counts), official: net.officialOperators}};
  }
  const others = countOperators(net.official);
  const names = [...new Set([...counts.keys(), ...others.keys()])].sort();
  const pairs = names.map((name) => [name, {ours: counts.get(name) ?? 0, official: others.get(name) ?? 0}] as const);
  return {
    name: net.name,
    bytes,
    operators: {ours: total(counts), official: total(others)},
    byOperator: Object.fromEntries(pairs.filter(([, pair]) => pair.ours !== pair.official)),
    engineMs: await race(engine, model, net.official, net.inputs, rounds),
  };
}

async function race(
  engine: Engine,
  ours: Uint8Array,
  official: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
  rounds: Rounds,
): Promise<Pair> {
  const models = [await engine.load(ours), await engine.load(official)] as const;
  const runs = models.map((model) => runner(model, inputs));
  try {
    const times: readonly number[][] = [[], []];
    const start = performance.now();
    for (let round = -warmUpRounds; round < rounds.most; round++) {
      if (round >= rounds.least && performance.now() - start > rounds.enoughMs) break;
      // Each goes first as often as the other.
      const order = round % 2 === 0 ? [0, 1] : [1, 0];
      for (const which of order) {
        const time = await runs[which]!();
        if (round >= 0) times[which]!.push(time);
      }
    }
    return {ours: percentiles(times[0]!).p50, official: percentiles(times[1]!).p50};
  } finally {
    for (const model of models) await model.close();
  }
}

const warmUpRounds = 4;

/** Inputs go by name, and by their place where the official converter has renamed them. */
function runner(model: LoadedModel, inputs: Readonly<Record<string, Tensor>>): () => Promise<number> {
  const signature = model.signatures[0]!;
  const values = Object.values(inputs);
  const named = signature.inputs.map(({name}, i) => [name, inputs[name] ?? values[i]!] as const);
  const given = Object.fromEntries(named);
  return async () => (await model.run(signature.name, given)).engineMs;
}

function countOperators(bytes: Uint8Array): Map<string, number> {
  const model = readModel(bytes);
  const counts = new Map<string, number>();
  for (const {operators} of model.subgraphs) {
    for (const {opcodeIndex} of operators) {
      const name = model.operatorCodes[opcodeIndex]!.builtin;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return counts;
}

const total = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0);
