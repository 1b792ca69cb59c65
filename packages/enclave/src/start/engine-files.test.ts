import assert from "node:assert/strict";
import {test} from "node:test";
import {pathToFileURL} from "node:url";
import {defaultConfiguration} from "../configuration.ts";
import {nativeParts} from "../launch/artefact.ts";
import {openEngine} from "./engine-files.ts";

test("the native engine's artefact is refused under Gramine, where it would have no processes of its own", async () => {
  await assert.rejects(openEngine(pathToFileURL(`${nativeParts}/`), defaultConfiguration, "gramine"), {
    code: "ENGINE_MISSING",
    message: /needs child processes, and gramine forbids them/,
  });
});
