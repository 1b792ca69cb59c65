/** Recurrent layers: a loop over time with the cell in its body (keras.backend.rnn). */
import type {Ref} from "../../../ir/graph.ts";
import {Config, isObject} from "../config.ts";
import type {KerasBuilder} from "../keras-builder.ts";
import {callRow, type LayerRow, type LayerSite, type LayerTable, Value} from "../layer.ts";
import {joinSteps, splitSteps} from "../steps.ts";
import {within} from "../weights.ts";
import {type Cell, cells, convolutional, innerCell} from "./cells.ts";
import {layerRow} from "./index.ts";
import {maskOf, previousMask} from "./masks.ts";

/** The layer's own options, which hold for the loop. */
function refuseOptions(config: Config): void {
  if (config.boolean("stateful", false)) throw config.unsupported("stateful=true, a state that is kept between calls,");
  if (config.boolean("time_major", false)) throw config.unsupported("time_major=true");
}

/** Tensors that the states begin with: an argument, or inputs behind the first (Keras 2). */
function initialStates(site: LayerSite): readonly Ref[] | undefined {
  const given = site.kwargs.initial_state;
  if (given instanceof Value) return [given.ref];
  if (Array.isArray(given)) {
    const values = given.flat(8);
    if (values.every((each) => each instanceof Value)) return values.map((each: Value) => each.ref);
    throw site.config.unsupported("an initial state that is no tensor");
  }
  if (given !== undefined && given !== null) throw site.config.unsupported("an initial state that is no tensor");
  return site.inputs.length > 1 ? site.inputs.slice(1).map(({ref}) => ref) : undefined;
}

/** Runs a cell over time; gives the output and the last states. */
function runCell(site: LayerSite, cell: Cell, partOf: (site: LayerSite) => LayerSite): readonly (Ref | Value)[] {
  const {b, config} = site;
  refuseOptions(config);
  const x = site.inputs[0]!.ref;
  const rank = b.rank(x);
  if (rank < 3) throw config.error(`its input has rank ${rank}, expected [batch, time, …]`);
  const swap = [1, 0, ...Array.from({length: rank - 2}, (_, i) => i + 2)];
  const reverse = (ref: Ref) => (config.boolean("go_backwards", false) ? b.tf("ReverseV2", [ref, b.ints([0])]) : ref);
  const steps = reverse(b.transpose(x, swap));
  const part = partOf(site);
  const one = b.squeeze(b.slice(steps, [0, ...swap.slice(1).map(() => 0)], [1, ...swap.slice(1).map(() => -1)]), [0]);
  const shapes = cell.states(part, one);
  const given = initialStates(site);
  if (given !== undefined && given.length !== shapes.length) {
    throw config.error(`${given.length} initial states, expected ${shapes.length}`);
  }
  const dtype = b.dtype(x);
  const initial = given ?? shapes.map((shape) => b.zeros(shape, dtype));
  const xs = cell.project?.(part, steps) ?? steps;
  const time = b.sizes(steps)[0]!;
  const output = cell.output?.(part.config) ?? 0;

  const mask = maskOf(site);
  const returnsSequences = config.boolean("return_sequences", false);
  const zeroesMasked = config.boolean("zero_output_for_mask", false);
  // [time, batch, 1…] to select by.
  const masks =
    mask &&
    reverse(
      b.transpose(widen(b, mask, b.rank(initial[output]!) + 1), [1, 0, ...restAxes(b.rank(initial[output]!) + 1)]),
    );
  const collected = returnsSequences ? [b.zeros([time, ...shapes[output]!], dtype)] : [];
  const previous = masks === undefined ? [] : [b.zeros(shapes[output]!, dtype)];
  const variables = [
    b.scalar(0, "int32"),
    ...collected,
    ...previous,
    ...initial,
    xs,
    ...(masks === undefined ? [] : [masks]),
  ];

  const places = {
    states: 1 + collected.length + previous.length,
    xs: 1 + collected.length + previous.length + initial.length,
  };
  const results = b.loop(
    variables,
    (region, all) => {
      const limit =
        typeof time === "number" ? region.scalar(time, "int32") : region.sizeAt({ref: all[places.xs]!, axis: 0});
      return region.tf("Less", [all[0]!, limit]);
    },
    (region, all) => {
      const at = (list: Ref) => region.tf("GatherV2", [list, all[0]!, region.scalar(0, "int32")]);
      const states = all.slice(places.states, places.xs);
      const made = cell.step(partOf(site.within(region)), at(all[places.xs]!), states);
      const next = region.add(all[0]!, region.scalar(1, "int32"));
      if (masks === undefined) {
        const kept = returnsSequences ? [region.tf("UpdateRow", [all[1]!, all[0]!, made[output]!])] : [];
        return [next, ...kept, ...made, all[places.xs]!];
      }
      const counts = at(all[places.xs + 1]!);
      const before = all[places.states - 1]!;
      const other = zeroesMasked ? region.tf("ZerosLike", [before]) : before;
      const shown = region.select(counts, made[output]!, other);
      const kept = returnsSequences ? [region.tf("UpdateRow", [all[1]!, all[0]!, shown])] : [];
      const held = made.map((state, i) => region.select(level(region, counts, state), state, states[i]!));
      return [next, ...kept, shown, ...held, all[places.xs]!, all[places.xs + 1]!];
    },
  );
  const states = results.slice(places.states, places.xs);
  const last = masks === undefined ? states[output]! : results[places.states - 1]!;
  const sequence = returnsSequences ? b.transpose(results[1]!, [1, 0, ...restAxes(b.rank(results[1]!))]) : last;
  const result = new Value(sequence, returnsSequences ? previousMask(site) : undefined);
  return config.boolean("return_state", false) ? [result, ...states] : [result];
}

const restAxes = (rank: number): readonly number[] => Array.from({length: rank - 2}, (_, i) => i + 2);

/** [batch, time] with ones behind, to a rank. */
function widen(b: KerasBuilder, mask: Ref, rank: number): Ref {
  let result = mask;
  while (b.rank(result) < rank) result = b.expand(result, -1);
  return result;
}

/** A step's mask for a state of another rank. */
function level(b: KerasBuilder, mask: Ref, state: Ref): Ref {
  let result = mask;
  while (b.rank(result) < b.rank(state)) result = b.expand(result, -1);
  return b.rank(result) > b.rank(state)
    ? b.squeeze(
        result,
        restAxes(b.rank(result))
          .slice(0, b.rank(result) - b.rank(state))
          .map((_, i) => b.rank(state) + i),
      )
    : result;
}

/** A layer of one cell, whose options are the cell's. */
const recurrent = (cell: Cell): LayerRow => ({
  weights: (config, version) => cell.weights(config, version).map((each) => ({...each, path: `cell/${each.path}`})),
  build: (site) => runCell(site, cell, (each) => each),
  mask: "own",
});

const convolutionalLayer = (dimensions: number): LayerRow => {
  const row = recurrent(convolutional(dimensions));
  return {
    ...row,
    weights: (config, version) => {
      if (config.choice("data_format", ["channels_last", "channels_first"], "channels_last") === "channels_first") {
        throw config.unsupported('data_format="channels_first"');
      }
      return row.weights!(config, version);
    },
  };
};

/** RNN of a cell that stands in its configuration; a list of cells is a stack. */
const rnn: LayerRow = {
  weights: (config, version) => {
    const {cell, config: own} = cellOf(config);
    return within("cell", "cell", cell.weights(own, version));
  },
  build: (site) => {
    const {cell, config} = cellOf(site.config);
    return runCell(site, cell, (each) => each.part(config, "cell", []));
  },
  mask: "own",
};

function cellOf(config: Config) {
  const value = config.get("cell");
  return innerCell(config, Array.isArray(value) ? {class_name: "StackedRNNCells", config: {cells: value}} : value);
}

interface Inner {
  readonly row: LayerRow;
  readonly config: Config;
  readonly className: string;
}

/** A layer in the configuration of another. */
function innerLayer(owner: Config, value: unknown, changes: Readonly<Record<string, unknown>> = {}): Inner {
  if (!isObject(value) || typeof value.class_name !== "string")
    throw owner.error("the layer within it has no class_name");
  const row = layerRow(value);
  if (row === undefined) throw owner.unsupported(`the layer ${value.class_name} within it`);
  const config = isObject(value.config) ? {...value.config, ...changes} : changes;
  return {row, className: value.class_name, config: new Config(`${owner.owner} ${value.class_name}`, config)};
}

const recurrentNames: ReadonlySet<string> = new Set([
  "SimpleRNN",
  "LSTM",
  "GRU",
  "RNN",
  "ConvLSTM1D",
  "ConvLSTM2D",
  "ConvLSTM3D",
]);

function directions(config: Config): {readonly forward: Inner; readonly backward: Inner} {
  const own = config.get("layer");
  const ofForward = isObject(own) && isObject(own.config) ? own.config : {};
  // Both layers give zeros for masked steps, whatever they say, so that the two sides fit.
  const changes = {zero_output_for_mask: ofForward.return_sequences === true};
  const forward = innerLayer(config, own, changes);
  const backward = config.has("backward_layer")
    ? innerLayer(config, config.get("backward_layer"), changes)
    : innerLayer(config, own, {...changes, go_backwards: ofForward.go_backwards !== true});
  for (const {className} of [forward, backward]) {
    if (!recurrentNames.has(className)) throw config.unsupported(`the layer ${className} within it`);
  }
  return {forward, backward};
}

function bidirectional(site: LayerSite): readonly (Ref | Value)[] {
  const {b, config} = site;
  const {forward, backward} = directions(config);
  const given = initialStates(site);
  const x = site.inputs[0]!;
  const mask = maskOf(site);
  const run = ({row, config: own}: Inner, prefix: string, states: readonly Ref[] | undefined) =>
    callRow(
      site.part(own, prefix, [new Value(x.ref)], {
        ...(mask !== undefined && {mask: new Value(mask)}),
        ...(states !== undefined && {initial_state: states.map((ref) => new Value(ref))}),
      }),
      row,
    );
  const half = given && given.length / 2;
  const [there, ...thereStates] = run(forward, "forward", given?.slice(0, half));
  const [back, ...backStates] = run(backward, "backward", given?.slice(half));
  const returnsSequences = forward.config.boolean("return_sequences", false);
  const returned = returnsSequences ? b.tf("ReverseV2", [back!.ref, b.ints([1])]) : back!.ref;
  const states = forward.config.boolean("return_state", false) ? [...thereStates, ...backStates] : [];
  const outMask = returnsSequences ? previousMask(site) : undefined;
  const mode = config.get("merge_mode");
  if (mode === null) return [new Value(there!.ref, outMask), new Value(returned, outMask), ...states];
  const merged = {
    concat: () => b.concat([there!.ref, returned], -1),
    sum: () => b.add(there!.ref, returned),
    ave: () => b.mul(b.add(there!.ref, returned), b.like(0.5, returned)),
    mul: () => b.mul(there!.ref, returned),
  }[config.choice("merge_mode", ["concat", "sum", "ave", "mul"], "concat")]();
  return [new Value(merged, outMask), ...states];
}

/** Layers for which a mask of steps means something of its own. */
const usesMask: ReadonlySet<string> = new Set([
  ...recurrentNames,
  "Bidirectional",
  "Softmax",
  "GlobalAveragePooling1D",
  "Attention",
  "AdditiveAttention",
  "MultiHeadAttention",
]);

/** The layer on every step: as a batch of all steps. */
function timeDistributed(site: LayerSite): Value {
  const {b, config} = site;
  const inner = innerLayer(config, config.get("layer"));
  if (maskOf(site) !== undefined && usesMask.has(inner.className)) {
    throw config.unsupported(`masked steps for ${inner.className}`);
  }
  const x = site.inputs[0]!.ref;
  const results = callRow(site.part(inner.config, "layer", [new Value(joinSteps(b, x))]), inner.row);
  if (results.length !== 1) throw config.unsupported("a layer of several outputs within it");
  return new Value(splitSteps(b, results[0]!.ref, x), previousMask(site));
}

export const recurrentLayers: LayerTable = {
  SimpleRNN: recurrent(cells.SimpleRNNCell!),
  LSTM: recurrent(cells.LSTMCell!),
  GRU: recurrent(cells.GRUCell!),
  ConvLSTM1D: convolutionalLayer(1),
  ConvLSTM2D: convolutionalLayer(2),
  ConvLSTM3D: convolutionalLayer(3),
  RNN: rnn,
  Bidirectional: {
    weights: (config, version) => {
      const {forward, backward} = directions(config);
      return [
        ...within("forward", "forward_layer", forward.row.weights!(forward.config, version)),
        ...within("backward", "backward_layer", backward.row.weights!(backward.config, version)),
      ];
    },
    build: bidirectional,
    mask: "own",
  },
  TimeDistributed: {
    weights: (config, version) => {
      const {row, config: own} = innerLayer(config, config.get("layer"));
      return within("layer", "layer", row.weights?.(own, version) ?? []);
    },
    build: timeDistributed,
    mask: "own",
    takesIntegers: true,
  },
  // The kernel that training left is normalised already; the vector is only for the next step of training.
  SpectralNormalization: {
    weights: (config, version) => {
      const {row, config: own} = innerLayer(config, config.get("layer"));
      const vector = {key: "vector_u", name: "vector_u", path: "vars/1", trainable: false};
      return [...within("layer", "layer", row.weights?.(own, version) ?? []), vector];
    },
    build: (site) => {
      const {row, config} = innerLayer(site.config, site.config.get("layer"));
      return callRow(site.part(config, "layer", site.inputs), row).map(({ref}) => ref);
    },
  },
};
