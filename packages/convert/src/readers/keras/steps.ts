/** Steps of sequences as a batch: what TimeDistributed does to a layer or model that treats each sample by itself. */
import {isKnown} from "../../ir/dims.ts";
import type {Ref} from "../../ir/graph.ts";
import type {KerasBuilder} from "./keras-builder.ts";

/** [batch, time, …] as [batch·time, …]. */
export function joinSteps(b: KerasBuilder, x: Ref): Ref {
  const [batch, time] = b.shape(x);
  const rest = b.sizes(x).slice(2);
  if (isKnown(batch!) && isKnown(time!)) return b.reshape(x, [batch * time, ...rest]);
  if (rest.every((size) => typeof size === "number" && size > 0)) {
    return b.tf("Reshape", [x, b.ints([-1, ...(rest as number[])])]);
  }
  const sizes = rest.map((size) => (typeof size === "number" ? b.scalar(size, "int32") : b.sizeAt(size)));
  return b.tf("Reshape", [x, b.tf("Pack", [b.scalar(-1, "int32"), ...sizes], {axis: 0})]);
}

/** [batch·time, …] as [batch, time, …] of `like`. */
export function splitSteps(b: KerasBuilder, y: Ref, like: Ref): Ref {
  return b.reshape(y, [...b.sizes(like).slice(0, 2), ...b.sizes(y).slice(1)]);
}
