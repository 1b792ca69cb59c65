/** Masks of Keras: [batch, time], true where a step counts. */
import type {Ref} from "../../../ir/graph.ts";
import {type LayerSite, Value} from "../layer.ts";

/**
 * The mask that a layer computes with: the argument, else its input's. Keras 3 fills the argument in only where nothing
 * but the input is a tensor: a recurrent layer with an initial state doesn't see the mask.
 */
export function maskOf(site: LayerSite): Ref | undefined {
  const explicit = explicitMask(site);
  if (explicit !== undefined) return explicit;
  const {args, kwargs, version} = site;
  const others = Object.entries(kwargs).filter(([key]) => key !== "inputs" && key !== "sequences");
  const hasOthers = [...args, ...others.map(([, value]) => value)].some(holdsTensor);
  return version >= 3 && hasOthers ? undefined : site.inputs[0]?.mask;
}

/** The mask that a layer hands on. */
export function previousMask(site: LayerSite): Ref | undefined {
  return explicitMask(site) ?? site.inputs[0]?.mask;
}

function explicitMask(site: LayerSite): Ref | undefined {
  const given = site.kwargs.mask;
  if (given instanceof Value) return asBool(site, given.ref);
  if (given !== undefined && given !== null) throw site.config.unsupported("a mask that is no tensor");
  return undefined;
}

const holdsTensor = (value: unknown): boolean =>
  value instanceof Value || (Array.isArray(value) && value.some(holdsTensor));

export function asBool({b}: Pick<LayerSite, "b">, mask: Ref): Ref {
  return b.dtype(mask) === "bool" ? mask : b.tf("NotEqual", [mask, b.like(0, mask)]);
}

/** A tensor argument, by name or place; `undefined` where it is absent or null. */
export function tensorArgument(site: LayerSite, name: string, place: number): Value | undefined {
  const value = site.kwargs[name] ?? site.args[place];
  if (value === undefined || value === null) return undefined;
  if (value instanceof Value) return value;
  throw site.config.unsupported(`an argument ${name} that is no tensor`);
}

/** A truth value among the arguments. */
export function flagArgument(site: LayerSite, name: string): boolean {
  const value = site.kwargs[name];
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw site.config.error(`the argument ${name} isn't true or false`);
}
