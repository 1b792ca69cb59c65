import assert from "node:assert/strict";
import {test} from "node:test";
import {parseAddress} from "./address.ts";

test("host:port in its forms", () => {
  assert.deepEqual(parseAddress("localhost:50051"), {host: "localhost", port: 50051});
  assert.deepEqual(parseAddress("192.0.2.1:1"), {host: "192.0.2.1", port: 1});
  assert.deepEqual(parseAddress("[::1]:65535"), {host: "::1", port: 65535});
});

test("anything else", () => {
  for (const text of [
    "",
    "host",
    "host:",
    ":1",
    "host:0",
    "host:65536",
    "::1:50051",
    "https://host:1",
    "a b:1",
    "host:1x",
  ]) {
    assert.throws(() => parseAddress(text), {code: "ADDRESS"}, text);
  }
});
