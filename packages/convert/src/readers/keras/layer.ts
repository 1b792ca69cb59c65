/** What a row of the layer tables is: the weights of a layer, and how it becomes operators. */
import type {Ref} from "../../ir/graph.ts";
import type {Config} from "./config.ts";
import type {KerasBuilder} from "./keras-builder.ts";
import type {WeightSpec} from "./weights.ts";

/** A tensor between layers, with Keras' mask: [batch, time], true where the step counts. */
export class Value {
  readonly ref: Ref;
  readonly mask: Ref | undefined;

  constructor(ref: Ref, mask?: Ref) {
    this.ref = ref;
    this.mask = mask;
  }
}

/** One call of a layer. */
export interface LayerSite {
  readonly b: KerasBuilder;
  readonly config: Config;
  /** Tensors of the first argument: one, or those of a list. */
  readonly inputs: readonly Value[];
  /** Positional arguments behind the first. */
  readonly args: readonly unknown[];
  /** Tensors in it are {@link Value}s. */
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** 2 or 3: what some options mean changed between them. */
  readonly version: number;
  /** A weight by the key that the row gives it. Throws `CONVERT_KERAS` where the file has none. */
  weight(key: string): Ref;
  /** A layer or cell within this one, whose weights have keys beginning with `prefix`. */
  part(config: Config, prefix: string, inputs: readonly Value[], kwargs?: Readonly<Record<string, unknown>>): LayerSite;
  /** The same where another graph is built: a part of a loop. */
  within(b: KerasBuilder): LayerSite;
}

export interface LayerRow {
  /** In the order in which Keras lists them. */
  readonly weights?: (config: Config, version: number) => readonly WeightSpec[];
  readonly build: (site: LayerSite) => Ref | readonly (Ref | Value)[] | Value;
  /**
   * What becomes of the mask: `pass` to a single output, `pass-3` in Keras 3 only, `stop` (Keras destroys it), or the layer
   * makes its own by giving {@link Value}s. Default: stop.
   */
  readonly mask?: "pass" | "pass-3" | "stop" | "own";
  /** Has weights, and takes integers as they are; others with weights compute with floats. */
  readonly takesIntegers?: true;
  /** Does nothing at inference, whatever its options are. */
  readonly ignoresOptions?: true;
}

export type LayerTable = Readonly<Record<string, LayerRow>>;

/** Calls a layer: its results with their masks. */
export function callRow(site: LayerSite, row: LayerRow): readonly Value[] {
  if (site.inputs.length === 0) throw site.config.error("it is called without a tensor");
  const isFloat = row.weights !== undefined && row.takesIntegers !== true;
  const built = row.build(isFloat ? withFloats(site) : site);
  if (row.ignoresOptions !== true) site.config.refuseUnread();
  const list = typeof built === "string" || built instanceof Value ? [built] : built;
  const explicit = site.kwargs.mask instanceof Value ? site.kwargs.mask.ref : undefined;
  const passes = row.mask === "pass" || (row.mask === "pass-3" && site.version >= 3);
  const mask = passes ? (explicit ?? site.inputs[0]!.mask) : undefined;
  return list.map((each) => (each instanceof Value ? each : new Value(each, mask)));
}

/** Keras promotes integers where they meet weights. */
function withFloats(site: LayerSite): LayerSite {
  const {b, inputs} = site;
  if (inputs.every(({ref}) => b.isFloat(ref))) return site;
  return {...site, inputs: inputs.map(({ref, mask}) => new Value(b.isFloat(ref) ? ref : b.cast(ref, "float32"), mask))};
}

/** A weight, which has to have the shape that the options say (-1: any). Throws `CONVERT_KERAS`. */
export function weightOf(site: LayerSite, key: string, shape: readonly number[]): Ref {
  const ref = site.weight(key);
  const found = site.b.shape(ref);
  const fits = found.length === shape.length && shape.every((size, axis) => size === -1 || size === found[axis]);
  if (!fits) throw site.config.error(`its weight ${key} has the shape [${found}], expected [${shape}]`);
  return ref;
}
