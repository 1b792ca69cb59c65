/** The layers of Keras: what each computes, by family. What isn't here is refused by its name. */
import {isCustom, type JsonObject} from "../config.ts";
import type {LayerRow, LayerTable} from "../layer.ts";
import {activationLayers} from "./activation.ts";
import {applicationLayers} from "./applications.ts";
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
import {spectrogramLayers} from "./spectrograms.ts";

/** By family, as documentation lists them. */
const families: Readonly<Record<string, LayerTable>> = {
  core: coreLayers,
  activation: activationLayers,
  convolution: convolutionLayers,
  pooling: poolingLayers,
  normalization: normalizationLayers,
  regularization: regularizationLayers,
  reshaping: reshapingLayers,
  merging: mergeLayers,
  recurrent: recurrentLayers,
  attention: attentionLayers,
  preprocessing: preprocessingLayers,
  spectrogram: spectrogramLayers,
};

const rows: ReadonlyMap<string, LayerRow> = new Map(Object.values(families).flatMap((table) => Object.entries(table)));

/** Of a serialised layer; `undefined` where it isn't Keras' own, or can't be converted. */
export function layerRow(entry: JsonObject): LayerRow | undefined {
  const {module, class_name: className} = entry;
  if (isCustom(entry)) return undefined;
  return ofApplication(String(module), String(className)) ?? rows.get(String(className));
}

function ofApplication(module: string, className: string): LayerRow | undefined {
  const table = Object.hasOwn(applicationLayers, module) ? applicationLayers[module]! : {};
  return Object.hasOwn(table, className) ? table[className] : undefined;
}

/** Classes of all layers that are converted. */
export const layerNames = (): readonly string[] => [...rows.keys()].sort();

/** The same by family. */
export const layerFamilies = (): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(Object.entries(families).map(([family, table]) => [family, Object.keys(table).sort()]));

/** Layers of Keras that aren't converted, and what to do instead. */
export const refusedLayers: Readonly<Record<string, string>> = {
  Lambda: "code of the model's author",
  StringLookup: "it works on strings: look them up before the model is called",
  TextVectorization: "it works on strings: split and look them up before the model is called",
  Hashing: "it hashes as text: do so before the model is called",
  HashedCrossing: "it hashes as text: do so before the model is called",
  RandomCrop: "what it does at inference differs between versions of Keras: use CenterCrop or Resizing",
  AutoContrast: "it has no kernel: do so before the model is called",
  ContrastLimitedAdaptiveHistogramEqualization: "it has no kernel: do so before the model is called",
  MaxNumBoundingBoxes: "it works on dictionaries of boxes",
  Pipeline: "layers within it aren't those of the model: call them one after the other",
  FeatureSpace: "its features are layers of their own: export the model",
  TFSMLayer: "another model's file: convert that",
  TorchModuleWrapper: "code of another framework",
  JaxLayer: "code of another framework",
  FlaxLayer: "code of another framework",
};
