/**
 * Layers that keras.applications defines for one of its networks. Known by their module as well, which only `.keras` files
 * name: other people's layers have the same names, and compute other things.
 */
import type {LayerTable} from "../layer.ts";
import {ownWeights} from "../weights.ts";
import {firstOf} from "./core.ts";

export const applicationLayers: Readonly<Record<string, LayerTable>> = {
  "keras.src.applications.convnext": {
    LayerScale: {
      weights: () => ownWeights(["gamma"]),
      build: (site) => site.b.mul(firstOf(site), site.weight("gamma")),
      ignoresOptions: true,
    },
    StochasticDepth: {build: firstOf, ignoresOptions: true},
  },
};
