export {type Address, parseAddress} from "./address.ts";
export {AttestationError, CallError, ClientError, type ClientErrorCode, clientErrors} from "./client-error.ts";
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
