import assert from "node:assert/strict";
import {test} from "node:test";
import {grpcCodeOf, grpcCodes, isWireCode, protocolErrors} from "./index.ts";

test("codes of a caller's own making aren't ours to hide, and unknown ones are INTERNAL", () => {
  assert.equal(grpcCodeOf("ATTEST_FIRST"), grpcCodes.UNAUTHENTICATED);
  assert.equal(grpcCodeOf("TENSOR_SIZE"), grpcCodes.INVALID_ARGUMENT);
  assert.equal(grpcCodeOf("DEADLINE"), grpcCodes.DEADLINE_EXCEEDED);
  assert.equal(grpcCodeOf("DEADLINE_OF_ANOTHER"), grpcCodes.INTERNAL);
  assert.equal(isWireCode("JSON_NOT_CANONICAL"), false);
});

test("what this package refuses in a message is told to the caller", () => {
  for (const code of Object.keys(protocolErrors).filter((name) => name !== "CLAIMS_INVALID")) {
    assert.ok(isWireCode(code), code);
  }
});
