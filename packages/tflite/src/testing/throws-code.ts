/** Assertions on coded errors. */
import assert from "node:assert/strict";
import {TfliteError, type TfliteErrorCode} from "../tflite-error.ts";

/** `run` throws a {@link TfliteError} with `code`, and a message that says `text`. */
export function throwsCode(run: () => unknown, code: TfliteErrorCode, text: RegExp = /./): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof TfliteError, `${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  });
}
