/** Layers over several inputs. */
import type {Ref} from "../../../ir/graph.ts";
import {layerUnsupported} from "../config.ts";
import type {KerasBuilder} from "../keras-builder.ts";
import {type LayerRow, type LayerSite, type LayerTable, Value} from "../layer.ts";

/** Inputs of fewer dimensions get theirs behind the batch. */
function level(site: LayerSite): readonly Ref[] {
  const {b, config} = site;
  const inputs = promoted(site);
  if (inputs.length < 2) throw config.error(`it merges ${inputs.length} tensors, expected at least 2`);
  const most = Math.max(...inputs.map(({ref}) => b.rank(ref)));
  return inputs.map(({ref}) => {
    let result = ref;
    while (b.rank(result) < most) result = b.expand(result, 1);
    return result;
  });
}

/** Floats where any of them is; integers of different widths are refused when they meet. */
function promoted({b, inputs}: LayerSite): readonly Value[] {
  const like = inputs.find(({ref}) => b.isFloat(ref));
  if (like === undefined) return inputs;
  return inputs.map(({ref, mask}) => new Value(b.cast(ref, b.dtype(like.ref)), mask));
}

type Merge = (b: KerasBuilder, refs: readonly Ref[]) => Ref;

const chain =
  (op: string): Merge =>
  (b, refs) =>
    refs.reduce((sum, ref) => b.tf(op, [sum, ref]));

const average: Merge = (b, refs) => {
  const sum = chain("AddV2")(b, refs);
  if (!b.isFloat(sum)) throw layerUnsupported(b.scope, "an average of integers, which Keras gives as float64,");
  return b.div(sum, b.like(refs.length, sum));
};

/** The same where some inputs are masked: Keras 3 leaves their masked steps out. */
type MaskedMerge = (site: LayerSite, refs: readonly Ref[], masks: readonly (Ref | undefined)[]) => Value;

const row = (merge: Merge, options: {readonly masked?: MaskedMerge; readonly count?: number} = {}): LayerRow => ({
  build: (site) => {
    const refs = level(site);
    const {masked, count} = options;
    if (count !== undefined && refs.length !== count) {
      throw site.config.error(`it takes ${count} tensors, not ${refs.length}`);
    }
    const masks = site.inputs.map(({mask}) => mask);
    if (site.version >= 3 && masked !== undefined && masks.some((mask) => mask !== undefined)) {
      const isPlain =
        refs.every((ref) => site.b.rank(ref) === 3) &&
        masks.every((mask) => mask === undefined || site.b.rank(mask) === 2);
      if (!isPlain) throw site.config.unsupported("a merge of masked tensors of this rank");
      return masked(site, refs, masks);
    }
    return new Value(merge(site.b, refs), mergeMasks(site, masks));
  },
  mask: "own",
});

/** Masked steps count as 1, or as 0 where none of the inputs has them. */
const maskedProduct: MaskedMerge = (site, refs, masks) => {
  const {b} = site;
  const kept = refs.map((ref, i) => {
    const mask = masks[i];
    return mask === undefined ? ref : b.select(b.expand(mask, -1), ref, b.like(1, ref));
  });
  const product = chain("Mul")(b, kept);
  const mask = mergeMasks(site, masks);
  return mask === undefined
    ? new Value(product)
    : new Value(b.select(b.expand(mask, -1), product, b.like(0, product)), mask);
};

/** Of two steps of which one is masked, the other. */
const maskedExtreme =
  (op: string): MaskedMerge =>
  ({b}, refs, masks) => {
    let result = refs[0]!;
    let resultMask = masks[0];
    refs.slice(1).forEach((ref, i) => {
      const mask = masks[i + 1];
      const other = mask === undefined ? ref : b.select(b.expand(mask, -1), ref, result);
      const own = resultMask === undefined ? result : b.select(b.expand(resultMask, -1), result, other);
      resultMask = mask !== undefined && resultMask !== undefined ? b.tf("LogicalOr", [resultMask, mask]) : undefined;
      result = b.tf(op, [own, other]);
    });
    return new Value(result, resultMask);
  };

/** Keras 3 counts what any input counts, if all have masks; Keras 2 what all count that have one. */
function mergeMasks({b, version}: LayerSite, masks: readonly (Ref | undefined)[]): Ref | undefined {
  const found = masks.filter((mask) => mask !== undefined);
  if (found.length === 0 || (version >= 3 && found.length < masks.length)) return undefined;
  return found.reduce((all, mask) => b.tf(version >= 3 ? "LogicalOr" : "LogicalAnd", [all, mask]));
}

function concatenate(site: LayerSite): Value {
  const {b, config, version} = site;
  const inputs = promoted(site);
  const axis = config.number("axis", -1);
  const refs = inputs.map(({ref}) => ref);
  const ranks = new Set(refs.map((ref) => b.rank(ref)));
  if (ranks.size !== 1) throw config.error("its inputs have different ranks");
  const result = b.concat(refs, axis);
  if (inputs.every(({mask}) => mask === undefined)) return new Value(result);
  // Masks as wide as their inputs, true where there is none, joined alike; a step counts where any of its elements does,
  // up to Keras 2 where all do.
  const wide = inputs.map(({ref, mask}) => {
    const ones = b.tf("OnesLike", [b.cast(ref, "float32")]);
    if (mask === undefined) return b.tf("Greater", [ones, b.scalar(0)]);
    let own = mask;
    while (b.rank(own) < b.rank(ref)) own = b.expand(own, -1);
    return b.tf("LogicalAnd", [own, b.tf("Greater", [ones, b.scalar(0)])]);
  });
  const last = b.rank(result) - 1;
  return new Value(result, b.reduce(version >= 3 ? "Any" : "All", b.concat(wide, axis), [last], false));
}

/** Contracts an axis of each, keeping the batch. */
function dot(site: LayerSite): Ref {
  const {b, config, inputs} = site;
  const [first, second] = inputs;
  if (inputs.length !== 2) throw config.error(`it takes 2 tensors, not ${inputs.length}`);
  const value = config.get("axes");
  const given = Array.isArray(value)
    ? config.integers("axes", 2, undefined, -8)
    : [config.integer("axes", undefined, -8), config.integer("axes", undefined, -8)];
  const refs = [first!.ref, second!.ref];
  const axes = given.map((axis, i) => (axis < 0 ? axis + b.rank(refs[i]!) : axis));
  axes.forEach((axis, i) => {
    if (axis <= 0 || axis >= b.rank(refs[i]!)) throw config.error(`axes is ${JSON.stringify(value)}`);
  });
  const normal = config.boolean("normalize", false) ? refs.map((ref, i) => normalised(b, ref, axes[i]!)) : refs;
  const labels = ["xyzuvw", "abcdef"] as const;
  const terms = normal.map((ref, i) =>
    Array.from({length: b.rank(ref)}, (_, axis) =>
      axis === 0 ? "n" : axis === axes[i] ? "k" : labels[i]![axis - 1]!,
    ).join(""),
  );
  const rest = terms.map((term) => term.replace(/[nk]/g, "")).join("");
  const result = b.tf("Einsum", normal, {equation: `${terms.join(",")}->n${rest}`});
  // Of two vectors each, Keras keeps an axis of one.
  return rest === "" ? b.expand(result, 1) : result;
}

function normalised(b: KerasBuilder, x: Ref, axis: number): Ref {
  const sum = b.reduce("Sum", b.tf("Square", [x]), [axis], true);
  return b.mul(x, b.tf("Rsqrt", [b.tf("Maximum", [sum, b.like(1e-12, x)])]));
}

export const mergeLayers: LayerTable = {
  Add: row(chain("AddV2")),
  Subtract: row(chain("Sub"), {count: 2}),
  Multiply: row(chain("Mul"), {masked: maskedProduct}),
  Average: row(average),
  Maximum: row(chain("Maximum"), {masked: maskedExtreme("Maximum")}),
  Minimum: row(chain("Minimum"), {masked: maskedExtreme("Minimum")}),
  Concatenate: {build: concatenate, mask: "own"},
  Dot: {build: dot},
};
