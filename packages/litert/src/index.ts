export {type AdmittedModel, admitModel, admitParsed, defaultSignature, type SignaturePlace} from "./admission.ts";
export type * from "./engine.ts";
export {checkInputs, describeSpec} from "./inputs.ts";
export {defaultLimits} from "./limits.ts";
export {LitertError, type LitertErrorCode, litertErrors} from "./litert-error.ts";
export {createNativeEngine, type NativeEngineOptions} from "./native/engine.ts";
export {installNativeLibrary} from "./native/install.ts";
export {
  artefactNativeFiles,
  enginesFolder,
  installedNativeFiles,
  isNativeInstalled,
  type NativeFiles,
  type NativeLibraryPin,
  nativeArtefactNames,
  nativeEngineParts,
  nativeLibraries,
  nativeLibraryPath,
  nativeLicence,
  nativeTarget,
  nativeVersion,
  readNativeLibrary,
} from "./native/library.ts";
export {
  artefactFiles,
  artefactNames,
  chooseVariant,
  type EngineFile,
  type EngineFiles,
  engineFiles,
  installedFiles,
  type Variant,
} from "./wasm/blobs.ts";
export {createWasmEngine, type WasmEngineOptions} from "./wasm/engine.ts";
