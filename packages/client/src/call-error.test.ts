import assert from "node:assert/strict";
import {test} from "node:test";
import {Code, ConnectError} from "@connectrpc/connect";
import {ErrorDetailSchema} from "@tf-trusted/protocol";
import {toCallError} from "./call-error.ts";
import {CallError, ClientError} from "./client-error.ts";

test("the enclave's own error comes back as it was made", () => {
  const value = {code: "INVALID_INPUT", message: "input image is missing", todo: "Give it."};
  const answer = new ConnectError("x", Code.InvalidArgument, undefined, [{desc: ErrorDetailSchema, value}]);
  const error = toCallError(answer, true);
  assert.ok(error instanceof CallError);
  assert.deepEqual([error.code, error.message], ["INVALID_INPUT", "INVALID_INPUT: input image is missing"]);
  assert.deepEqual(error.details, {todo: "Give it.", grpc: "InvalidArgument"});
});

test("what happened to the connection, by status and by whether it is still there", () => {
  const rows = [
    [Code.Unavailable, true, "CONNECTION_LOST"],
    [Code.Internal, false, "CONNECTION_LOST"],
    [Code.Canceled, false, "CONNECTION_LOST"],
    [Code.Canceled, true, "CANCELLED"],
    [Code.DeadlineExceeded, true, "DEADLINE"],
    [Code.ResourceExhausted, true, "TOO_LARGE"],
    [Code.Internal, true, "PROTOCOL"],
    [Code.Unimplemented, true, "PROTOCOL"],
  ] as const;
  for (const [status, connected, code] of rows) {
    assert.equal(toCallError(new ConnectError("x", status), connected).code, code, Code[status]);
  }
});

test("coded errors pass through, bugs aren't hidden", () => {
  const coded = new ClientError("CLOSED", "closed");
  assert.equal(toCallError(coded, true), coded);
  assert.throws(() => toCallError(new TypeError("bug"), true), TypeError);
});
