export {
  type ConvertedSignature,
  type ConvertOptions,
  type ConvertResult,
  convert,
  type ModelFormat,
  type SignatureTensor,
} from "./convert.ts";
export {ConvertError, type ConvertErrorCode, convertErrors} from "./convert-error.ts";
export {
  convertKeras,
  convertKerasConfig,
  inspectKeras,
  type KerasConfigOptions,
  type KerasOptions,
  type KerasStructure,
  kerasLayers,
  recogniseKerasFile,
} from "./convert-keras.ts";
export {
  convertModel,
  type ModelOptions,
  type ModelSource,
  type RecognisedModel,
  recogniseModel,
} from "./convert-model.ts";
export {
  convertSavedModel,
  inspectSavedModel,
  type SavedModelOptions,
  type SavedModelStructure,
} from "./convert-saved-model.ts";
export {convertTfjs, type TfjsOptions} from "./convert-tfjs.ts";
export type {Cut, CutInput} from "./cut.ts";
export {compareOutputs, type OutputDifference} from "./evaluate/compare.ts";
export {type InspectOptions, inspectModel} from "./inspect/inspect-model.ts";
export type * from "./inspect/structure.ts";
export {type GraphStructure, inspectGraph} from "./inspect.ts";
export type {IoType} from "./io-type.ts";
export type {Quantisation} from "./ir/graph.ts";
export {type ConvertLimits, defaultLimits} from "./limits.ts";
export type {QuantisationReport, QuantisedConstant} from "./quantise/describe.ts";
export type {Quantize} from "./quantise/index.ts";
export type {InputRequest} from "./readers/graphdef/select.ts";
export {filesInMemory, type ModelFiles} from "./readers/model-files.ts";
export {isSavedModel} from "./readers/saved-model/saved-model.ts";
export {isTfjs} from "./readers/tfjs/model-json.ts";
export {type Change, type ConvertReport, describeCut} from "./report.ts";
