import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {configurationDigest, defaultConfiguration, parseConfiguration} from "./configuration.ts";
import {internalError} from "./events.ts";
import {softwareVersion} from "./software-version.ts";

test("defaults, checks, and a digest of the whole", () => {
  assert.deepEqual(parseConfiguration({}), defaultConfiguration);
  const changed = parseConfiguration({maxModels: 3});
  assert.equal(changed.maxModels, 3);
  assert.notEqual(configurationDigest(changed), configurationDigest(defaultConfiguration));
  for (const bad of [{maxModels: 0}, {maxModels: 1.5}, {maxModels: "3"}, {sessionMs: 3_600_001}, {nothing: 1}]) {
    assert.throws(() => parseConfiguration(bad), {code: "CONFIGURATION"});
  }
});

test("the version in the claims is the package's", () => {
  const {version} = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {version: string};
  assert.equal(softwareVersion, version);
});

test("an event for a bug says where, not what", () => {
  const event = JSON.stringify(internalError(new TypeError("secret-weights of alice")));
  assert.doesNotMatch(event, /secret|alice/);
  assert.match(event, /configuration\.test\.[jt]s:\d+/);
});
