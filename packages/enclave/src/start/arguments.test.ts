import assert from "node:assert/strict";
import {test} from "node:test";
import {defaultConfiguration} from "../configuration.ts";
import {parseStartArguments} from "./arguments.ts";

test("no arguments: a launcher starts it", () => {
  assert.equal(parseStartArguments([]), undefined);
});

test("defaults, and everything given", () => {
  assert.deepEqual(parseStartArguments(["--platform", "gramine"]), {
    platform: "gramine",
    host: "0.0.0.0",
    port: 50051,
    configuration: defaultConfiguration,
  });
  const args = ["--platform=snp", "--host=127.0.0.1", "--port=0", '--configuration={"maxModels":3}'];
  assert.deepEqual(parseStartArguments(args), {
    platform: "snp",
    host: "127.0.0.1",
    port: 0,
    configuration: {...defaultConfiguration, maxModels: 3},
  });
});

test("refused: no platform, the simulated one, what isn't known, values that aren't", () => {
  for (const args of [
    ["--host", "::"],
    ["--platform", "simulated"],
    ["--platform", "toString"],
    ["--platform", "tdx", "--inspect"],
    ["--platform", "tdx", "more"],
    ["--platform", "tdx", "--port", "65536"],
    ["--platform", "tdx", "--port", "1e3"],
    ["--platform", "tdx", "--configuration", "{"],
    ["--platform", "tdx", "--configuration", "[]"],
    ["--platform", "tdx", "--configuration", "null"],
    ["--platform", "tdx", "--configuration", '{"unknown":1}'],
  ]) {
    assert.throws(() => parseStartArguments(args), {code: "CONFIGURATION"}, args.join(" "));
  }
});
