export {
  configurationDigest,
  defaultConfiguration,
  type EnclaveConfiguration,
  parseConfiguration,
} from "./configuration.ts";
export {type EnclaveOptions, type RunningEnclave, startEnclave} from "./enclave.ts";
export {EnclaveError, type EnclaveErrorCode, enclaveErrors} from "./enclave-error.ts";
export type {EnclaveEvent, EventSink} from "./events.ts";
export {
  type ArtefactFile,
  type ArtefactManifest,
  type ArtefactMeasurement,
  defaultArtefact,
  type MeasureOptions,
  measureArtefact,
  nativeParts,
} from "./launch/artefact.ts";
export type {EnclaveExit} from "./launch/enclave-process.ts";
export {
  type LaunchedEnclave,
  type LaunchOptions,
  launchEnclave,
} from "./launch/launch.ts";
export {
  artefactWith,
  type ChosenEngine,
  chooseEngine,
  type EngineChoice,
  type EngineCircumstances,
} from "./launch/native-artefact.ts";
export {enclaveTarget, findEnclaveNode} from "./launch/node-binary.ts";
export type {Platform, PlatformCapabilities} from "./platforms/platform.ts";
export {makeTlsIdentity, type TlsIdentity} from "./session/tls-identity.ts";
export {softwareVersion} from "./software-version.ts";
