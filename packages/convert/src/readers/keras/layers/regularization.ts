/** What does something only in training. */
import type {LayerTable} from "../layer.ts";
import {firstOf} from "./core.ts";

const names = [
  "Dropout",
  "SpatialDropout1D",
  "SpatialDropout2D",
  "SpatialDropout3D",
  "GaussianDropout",
  "GaussianNoise",
  "AlphaDropout",
  "ActivityRegularization",
] as const;

export const regularizationLayers: LayerTable = Object.fromEntries(
  names.map((name) => [name, {build: firstOf, mask: "pass", ignoresOptions: true} as const]),
);
