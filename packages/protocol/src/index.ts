export {type EnclaveClaims, encodeClaims, maxClaimsBytes, parseClaims, protocolVersion} from "./claims.ts";
export {type GrpcCodeName, grpcCodeOf, grpcCodes, isWireCode} from "./codes.ts";
export {evidenceFromMessage, evidenceToMessage} from "./evidence-message.ts";
export {FrameReader, type FrameReaderOptions, framePredictRequest, framePredictResponse} from "./frames.ts";
export * from "./gen/tf_trusted/v1/attestation_pb.ts";
export * from "./gen/tf_trusted/v1/error_pb.ts";
export * from "./gen/tf_trusted/v1/models_pb.ts";
export * from "./gen/tf_trusted/v1/prediction_pb.ts";
export * from "./gen/tf_trusted/v1/tensor_pb.ts";
export {ProtocolError, type ProtocolErrorCode, protocolErrors} from "./protocol-error.ts";
export {
  claimsDigest,
  exporterLabel,
  fieldBytes,
  maxSessionMs,
  type Role,
  type SessionBinding,
  sessionReportData,
} from "./session.ts";
export {
  dtypeFromMessage,
  dtypeToMessage,
  tensorLimits,
  tensorsFromMessages,
  tensorsToMessages,
} from "./tensor-message.ts";
