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
  encodeManifest,
  type MeasureOptions,
  measureArtefact,
  measureFile,
  nativeParts,
} from "./launch/artefact.ts";
export type {EnclaveExit} from "./launch/enclave-process.ts";
export {
  type LaunchedEnclave,
  type LaunchOptions,
  launchEnclave,
} from "./launch/launch.ts";
export {type GramineEnclave, type GramineLaunchOptions, launchGramine} from "./launch/launch-gramine.ts";
export {
  artefactWith,
  type ChosenEngine,
  chooseEngine,
  type EngineChoice,
  type EngineCircumstances,
} from "./launch/native-artefact.ts";
export {enclaveTarget, findEnclaveNode} from "./launch/node-binary.ts";
export {
  checkGramineManifest,
  type GramineManifest,
  parseGramineManifest,
  type TrustedFile,
} from "./measure/gramine-manifest.ts";
export {
  defaultGramineSettings,
  type GramineFolder,
  type GramineSettings,
  gramineMounts,
  makeGramineManifest,
} from "./measure/make-gramine-manifest.ts";
export {
  type GramineEnclaveFiles,
  type GramineVersion,
  gramineVersions,
  measureGramineEnclave,
} from "./measure/mrenclave.ts";
export {readSigstruct, type Sigstruct} from "./measure/sigstruct.ts";
export {measureSnpLaunch, type SnpCpu, type SnpLaunch, type SnpVmm, snpCpus, snpVmms} from "./measure/snp-launch.ts";
export {measureTdxLaunch} from "./measure/tdx-launch.ts";
export {type DetectOptions, detectPlatform} from "./platforms/detect.ts";
export {type DeviceFiles, systemFiles} from "./platforms/device-files.ts";
export type {GuestKind} from "./platforms/guest.ts";
export {mayStartProcesses, type Platform, type PlatformCapabilities, type PlatformKind} from "./platforms/platform.ts";
export {expectedRtmr3} from "./platforms/tdx-rtmr.ts";
export {makeTlsIdentity, type TlsIdentity} from "./session/tls-identity.ts";
export {softwareVersion} from "./software-version.ts";
