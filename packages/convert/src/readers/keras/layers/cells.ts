/** Cells of recurrent layers: what happens to all steps at once, and what in each. */
import type {Ref} from "../../../ir/graph.ts";
import {activate} from "../activations.ts";
import {Config, isObject} from "../config.ts";
import type {Size} from "../keras-builder.ts";
import {type LayerSite, weightOf} from "../layer.ts";
import {ownWeights, type WeightSpec, within} from "../weights.ts";
import {convolve} from "./convolution.ts";

/** The states after a step; the first is the output, of stacked cells the first of the last. */
export interface Cell {
  readonly weights: (config: Config, version: number) => readonly WeightSpec[];
  /** Shapes of the states for a step's input. */
  readonly states: (site: LayerSite, x: Ref) => readonly (readonly Size[])[];
  /** For all steps, [time, batch, …], before the loop. */
  readonly project?: (site: LayerSite, xs: Ref) => Ref;
  readonly step: (site: LayerSite, x: Ref, states: readonly Ref[]) => readonly Ref[];
  /** Which of the states is the output. */
  readonly output?: (config: Config) => number;
}

/** The product with the state, [units, units·gates]. */
function recurrentKernel(site: LayerSite, gates: number): Ref {
  const units = site.config.integer("units", undefined, 1);
  return weightOf(site, "recurrent_kernel", [units, units * gates]);
}

const weights = (config: Config): readonly WeightSpec[] =>
  ownWeights(["kernel", "recurrent_kernel", config.boolean("use_bias", true) && "bias"]);

/** The batch is the axis before the features, whether x is a step or all of them. */
const denseStates =
  (count: number): Cell["states"] =>
  ({b, config}, x) => {
    const batch = b.sizes(x)[b.rank(x) - 2]!;
    return Array.from({length: count}, () => [batch, config.integer("units", undefined, 1)]);
  };

const withBias: NonNullable<Cell["project"]> = ({b, config, weight}, xs) => {
  const product = b.project(xs, weight("kernel"));
  return config.boolean("use_bias", true) ? b.tf("BiasAdd", [product, weight("bias")]) : product;
};

const outer = (site: LayerSite, x: Ref): Ref => activate(site.b, x, site.config, "activation", site.version, "tanh");

/** Absent, it is what the version's layers begin with. */
const gate = (site: LayerSite, x: Ref): Ref =>
  activate(site.b, x, site.config, "recurrent_activation", site.version, site.version < 3 ? "hard_sigmoid" : "sigmoid");

/** h' = act(x·W + b + h·U) */
const simple: Cell = {
  weights,
  states: denseStates(1),
  project: withBias,
  step: (site, x, [h]) => [outer(site, site.b.add(x, site.b.project(h!, recurrentKernel(site, 1))))],
};

/** Gates i, f, c, o of z = x·W + b + h·U; c' = f·c + i·act(c̃), h' = o·act(c'). */
function lstmStep(site: LayerSite, z: Ref, c: Ref, axis: number): readonly Ref[] {
  const {b} = site;
  const [input, forget, candidate, output] = b.split(z, 4, axis) as [Ref, Ref, Ref, Ref];
  const kept = b.mul(gate(site, forget), c);
  const carry = b.add(kept, b.mul(gate(site, input), outer(site, candidate)));
  return [b.mul(gate(site, output), outer(site, carry)), carry];
}

const lstm: Cell = {
  weights,
  states: denseStates(2),
  project: withBias,
  step: (site, x, [h, c]) => {
    const z = site.b.add(x, site.b.project(h!, recurrentKernel(site, 4)));
    return lstmStep(site, z, c!, -1);
  },
};

/** Before Keras 2.1.5 there was no such option, and the reset gate came first. */
const resetsAfter = (config: Config, version: number): boolean => config.boolean("reset_after", version >= 3);

/** Gates z, r, h; h' = z·h + (1 − z)·act(x_h + …), the reset gate before or after the product with U. */
const gru: Cell = {
  weights,
  states: denseStates(1),
  project: (site, xs) => {
    const {b, config, weight, version} = site;
    if (!config.boolean("use_bias", true) || !resetsAfter(config, version)) return withBias(site, xs);
    return b.add(b.project(xs, weight("kernel")), b.squeeze(b.slice(weight("bias"), [0, 0], [1, -1]), [0]));
  },
  step: (site, x, [h]) => {
    const {b, config, weight, version} = site;
    const units = config.integer("units", undefined, 1);
    const kernel = recurrentKernel(site, 3);
    const [xz, xr, xh] = b.split(x, 3, -1) as [Ref, Ref, Ref];
    const mix = (z: Ref, candidate: Ref): readonly Ref[] => [
      b.add(b.mul(z, h!), b.mul(b.sub(b.like(1, z), z), candidate)),
    ];
    if (resetsAfter(config, version)) {
      const product = b.project(h!, kernel);
      const inner = config.boolean("use_bias", true)
        ? b.add(product, b.squeeze(b.slice(weight("bias"), [1, 0], [1, -1]), [0]))
        : product;
      const [hz, hr, hh] = b.split(inner, 3, -1) as [Ref, Ref, Ref];
      const reset = gate(site, b.add(xr, hr));
      return mix(gate(site, b.add(xz, hz)), outer(site, b.add(xh, b.mul(reset, hh))));
    }
    const [hz, hr] = b.split(b.project(h!, b.slice(kernel, [0, 0], [-1, 2 * units])), 2, -1) as [Ref, Ref];
    const reset = gate(site, b.add(xr, hr));
    const hh = b.project(b.mul(reset, h!), b.slice(kernel, [0, 2 * units], [-1, units]));
    return mix(gate(site, b.add(xz, hz)), outer(site, b.add(xh, hh)));
  },
};

/** An LSTM whose products are convolutions; those of the state keep its size. */
export const convolutional = (dimensions: number): Cell => {
  const inputProduct = (site: LayerSite, x: Ref): Ref => {
    const {b, config, weight} = site;
    const y = convolve(b, x, weight("kernel"), {
      kernel: config.integers("kernel_size", dimensions, undefined, 1),
      strides: config.integers("strides", dimensions, 1, 1),
      dilations: config.integers("dilation_rate", dimensions, 1, 1),
      padding: config.choice("padding", ["valid", "same"], "valid"),
      groups: 1,
    });
    return config.boolean("use_bias", true) ? b.tf("BiasAdd", [y, weight("bias")]) : y;
  };
  return {
    weights,
    states: (site, x) => {
      const filters = site.config.integer("filters", undefined, 1);
      // Only the shape of the product is wanted; nothing reads it, and it goes away.
      const sizes = site.b.sizes(inputProduct(site, x));
      return Array.from({length: 2}, () => [...sizes.slice(0, -1), filters]);
    },
    step: (site, x, [h, c]) => {
      const {b, config, weight} = site;
      const one = Array.from({length: dimensions}, () => 1);
      const kernel = config.integers("kernel_size", dimensions, undefined, 1);
      const options = {kernel, strides: one, dilations: one, padding: "same" as const, groups: 1};
      const z = b.add(inputProduct(site, x), convolve(b, h!, weight("recurrent_kernel"), options));
      return lstmStep(site, z, c!, -1);
    },
  };
};

interface InnerCell {
  readonly cell: Cell;
  readonly config: Config;
  readonly className: string;
}

/** A cell in the configuration of another layer. Throws `CONVERT_LAYER_UNSUPPORTED` for those of the author. */
export function innerCell(owner: Config, value: unknown): InnerCell {
  if (!isObject(value) || typeof value.class_name !== "string") throw owner.error("its cell has no class_name");
  const className = value.class_name;
  const cell = Object.hasOwn(cells, className) ? cells[className] : undefined;
  if (cell === undefined) throw owner.unsupported(`the cell ${className}`);
  return {cell, className, config: new Config(`${owner.owner} ${className}`, value.config ?? {})};
}

function innerCells(config: Config): readonly InnerCell[] {
  const list = config.get("cells");
  if (!Array.isArray(list) || list.length === 0) throw config.error("it has no cells");
  return list.map((each) => innerCell(config, each));
}

/** Names of groups among cells, as those of layers in a model. */
function folderOf(all: readonly InnerCell[], index: number): string {
  const snake = (name: string) => cellFolders[name] ?? name.toLowerCase();
  const count = all.slice(0, index).filter(({className}) => className === all[index]!.className).length;
  return `cells/${snake(all[index]!.className)}${count === 0 ? "" : `_${count}`}`;
}

const cellFolders: Readonly<Record<string, string>> = {
  LSTMCell: "lstm_cell",
  GRUCell: "gru_cell",
  SimpleRNNCell: "simple_rnn_cell",
  StackedRNNCells: "stacked_rnn_cells",
};

/** Each cell's output is the next one's input. */
const stacked: Cell = {
  weights: (config, version) => {
    const all = innerCells(config);
    return all.flatMap(({cell, config: own}, i) => within(`cell${i}`, folderOf(all, i), cell.weights(own, version)));
  },
  states: (site, x) => stackedStates(site, x).flat(),
  step: (site, x, states) => {
    let next = x;
    let rest = states;
    return innerCells(site.config).flatMap(({cell, config}, i) => {
      const part = site.part(config, `cell${i}`, []);
      const count = cell.states(part, next).length;
      const results = cell.step(part, cell.project?.(part, next) ?? next, rest.slice(0, count));
      rest = rest.slice(count);
      next = results[cell.output?.(config) ?? 0]!;
      return results;
    });
  },
  output: (config) => {
    const all = innerCells(config);
    const before = all.slice(0, -1).reduce((sum, {className}) => sum + (className === "LSTMCell" ? 2 : 1), 0);
    return before;
  },
};

function stackedStates(site: LayerSite, x: Ref): readonly (readonly (readonly Size[])[])[] {
  return innerCells(site.config).map(({cell, config}) => cell.states(site.part(config, "", []), x));
}

export const cells: Readonly<Record<string, Cell>> = {
  SimpleRNNCell: simple,
  LSTMCell: lstm,
  GRUCell: gru,
  StackedRNNCells: stacked,
};
