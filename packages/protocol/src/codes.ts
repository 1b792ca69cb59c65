/**
 * Errors on the wire: one table from our codes to gRPC's, and the detail that carries ours, so that a client gives the
 * same coded error as a local call would.
 */

/** gRPC status codes (specs of gRPC, "Status codes"): the ones that are answered. */
export const grpcCodes = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCodeName = keyof typeof grpcCodes;

/** By prefix of our code, longest first where several fit. What isn't listed is a bug of ours: INTERNAL. */
const rows: readonly (readonly [prefix: string, grpc: GrpcCodeName])[] = [
  // The session (enclave).
  ["ATTEST_FIRST", "UNAUTHENTICATED"],
  ["ATTEST_NONCE", "INVALID_ARGUMENT"],
  ["ATTEST_LIMIT", "RESOURCE_EXHAUSTED"],
  ["ATTEST_BUSY", "RESOURCE_EXHAUSTED"],
  ["SESSION_EXPIRED", "UNAUTHENTICATED"],
  ["SESSION_FIELD", "INVALID_ARGUMENT"],
  ["PLATFORM_", "UNAVAILABLE"],
  ["SEALING_MISSING", "FAILED_PRECONDITION"],
  ["STOPPING", "UNAVAILABLE"],
  // Models (enclave).
  ["MODEL_UNKNOWN", "NOT_FOUND"],
  ["MODEL_NAME", "INVALID_ARGUMENT"],
  ["MODEL_BATCH", "FAILED_PRECONDITION"],
  ["MODEL_BUDGET", "RESOURCE_EXHAUSTED"],
  ["MODEL_BUSY", "RESOURCE_EXHAUSTED"],
  ["MODEL_SIGNATURE", "INVALID_ARGUMENT"],
  ["UPLOAD_ORDER", "INVALID_ARGUMENT"],
  ["UPLOAD_SIZE", "INVALID_ARGUMENT"],
  ["UPLOAD_DIGEST", "DATA_LOSS"],
  // The engine.
  ["INVALID_MODEL", "INVALID_ARGUMENT"],
  ["UNSUPPORTED_", "INVALID_ARGUMENT"],
  ["DYNAMIC_OUTPUT", "INVALID_ARGUMENT"],
  ["INVALID_INPUT", "INVALID_ARGUMENT"],
  ["TOO_LARGE", "RESOURCE_EXHAUSTED"],
  ["OUT_OF_MEMORY", "RESOURCE_EXHAUSTED"],
  ["DEADLINE", "DEADLINE_EXCEEDED"],
  ["CANCELLED", "CANCELLED"],
  ["ENGINE_CRASHED", "UNAVAILABLE"],
  ["ENGINE_ERROR", "INTERNAL"],
  // Messages on a stream.
  ["MESSAGE_INVALID", "INVALID_ARGUMENT"],
  ["MESSAGE_SIZE", "RESOURCE_EXHAUSTED"],
  // Tensors, and how they are put into messages.
  ["TENSOR_", "INVALID_ARGUMENT"],
  ["TFLITE_", "INVALID_ARGUMENT"],
];

/** The gRPC code for one of ours; INTERNAL where none is listed. */
export function grpcCodeOf(code: string): (typeof grpcCodes)[GrpcCodeName] {
  const row = rows.find(([prefix]) => code === prefix || (prefix.endsWith("_") && code.startsWith(prefix)));
  return grpcCodes[row?.[1] ?? "INTERNAL"];
}

/** Whether our code may be told to a caller; others stay inside, as INTERNAL. */
export function isWireCode(code: string): boolean {
  return rows.some(([prefix]) => code === prefix || (prefix.endsWith("_") && code.startsWith(prefix)));
}
