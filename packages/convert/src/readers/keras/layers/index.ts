/** The layers of Keras: what each computes, by family. What isn't here is refused by its name. */
import type {LayerRow, LayerTable} from "../layer.ts";
import {activationLayers} from "./activation.ts";
import {attentionLayers} from "./attention.ts";
import {convolutionLayers} from "./convolution.ts";
import {coreLayers} from "./core.ts";
import {mergeLayers} from "./merge.ts";
import {normalizationLayers} from "./normalization.ts";
import {poolingLayers} from "./pooling.ts";
import {preprocessingLayers} from "./preprocessing.ts";
import {recurrentLayers} from "./recurrent.ts";
import {regularizationLayers} from "./regularization.ts";
import {reshapingLayers} from "./reshaping.ts";

const tables: readonly LayerTable[] = [
  coreLayers,
  activationLayers,
  convolutionLayers,
  poolingLayers,
  normalizationLayers,
  regularizationLayers,
  reshapingLayers,
  mergeLayers,
  recurrentLayers,
  attentionLayers,
  preprocessingLayers,
];

const rows: ReadonlyMap<string, LayerRow> = new Map(tables.flatMap((table) => Object.entries(table)));

/** `undefined` for layers that aren't Keras', or can't be converted. */
export const layerRow = (className: string): LayerRow | undefined => rows.get(className);

/** Classes of all layers that are converted. */
export const layerNames = (): readonly string[] => [...rows.keys()].sort();
