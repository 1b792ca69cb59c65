export {type Address, parseAddress} from "./address.ts";
export {AttestationError, CallError, ClientError, type ClientErrorCode, clientErrors} from "./client-error.ts";
export type {FetchOptions} from "./collateral/cache.ts";
export type {DownloadLimits, DownloadOptions} from "./collateral/download.ts";
export {collateralFiles, collateralFolder} from "./collateral/folder.ts";
export {type KdsOptions, kdsCollateral} from "./collateral/kds.ts";
export {type PcsOptions, pcsCollateral} from "./collateral/pcs.ts";
export {
  type SimulatedService,
  type SimulatedServiceOptions,
  serveSimulatedCollateral,
} from "./collateral/simulated-service.ts";
export {type CollateralSource, carriedCollateral, collateralFrom} from "./collateral/source.ts";
export {type ConnectOptions, connect, type EnclaveConnection, type LoadOptions} from "./connect.ts";
export {type LaunchSimulatedOptions, launchSimulated, type SimulatedEnclave} from "./launch-simulated.ts";
export type {
  CallOptions,
  Model,
  ModelDescription,
  ModelFigures,
  ModelSignature,
  ModelSummary,
  ModelTensor,
  Prediction,
  PredictionTimings,
  PredictOptions,
  PredictRequest,
  Tensors,
} from "./model.ts";
export {type AttestedSession, openSession, type SessionOptions} from "./session.ts";
