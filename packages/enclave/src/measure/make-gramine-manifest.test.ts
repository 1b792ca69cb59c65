/** The manifest that is made passes every check of manifests, and starts the enclave as it has to be started. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {nativeNodeArguments, nodeArguments} from "../launch/artefact.ts";
import {checkSurroundings} from "../platforms/surroundings.ts";
import {parseStartArguments} from "../start/arguments.ts";
import {checkGramineManifest, parseGramineManifest} from "./gramine-manifest.ts";
import {defaultGramineSettings, makeGramineManifest} from "./make-gramine-manifest.ts";

const files = ["lib/libc.so.6", "app/node", "app/enclave.mjs", "gramine/libsysdb.so"].map((name) => ({
  name,
  size: 1,
  sha256: "ab".repeat(32),
}));
const folder = {arguments: nodeArguments, files, libos: "gramine/libsysdb.so"};

test("it protects, lists every file, and its arguments are those that the enclave wants", () => {
  const settings = {...defaultGramineSettings, port: 4433, configuration: {maxModels: 3}};
  const text = makeGramineManifest(folder, settings);
  const manifest = parseGramineManifest(text);
  assert.deepEqual(checkGramineManifest(manifest), []);
  assert.deepEqual(
    manifest.trustedFiles.map(({uri}) => uri),
    ["file:app/enclave.mjs", "file:app/node", "file:gramine/libsysdb.so", "file:lib/libc.so.6"],
  );
  assert.equal(manifest.enclaveBytes, 8n << 30n);
  const argv = (manifest.document as {readonly loader: {readonly argv: readonly string[]}}).loader.argv;
  const entry = argv.indexOf("/app/enclave.mjs");
  assert.ok(entry > 0);
  checkSurroundings("gramine", {flags: argv.slice(1, entry), environment: {}});
  const started = parseStartArguments(argv.slice(entry + 1));
  assert.deepEqual([started?.platform, started?.port, started?.configuration.maxModels], ["gramine", 4433, 3]);
});

test("the same input gives the same bytes, in whatever order the files come", () => {
  const text = makeGramineManifest(folder, defaultGramineSettings);
  assert.equal(makeGramineManifest({...folder, files: [...files].reverse()}, defaultGramineSettings), text);
  assert.notEqual(makeGramineManifest(folder, {...defaultGramineSettings, isvSvn: 2}), text);
});

test("the flags of the native engine's artefact start children: the enclave refuses them under Gramine", () => {
  const text = makeGramineManifest({...folder, arguments: nativeNodeArguments}, defaultGramineSettings);
  const argv = (parseGramineManifest(text).document as {readonly loader: {readonly argv: readonly string[]}}).loader
    .argv;
  assert.throws(
    () => checkSurroundings("gramine", {flags: argv.slice(1, argv.indexOf("/app/enclave.mjs")), environment: {}}),
    {code: "PLATFORM_UNSAFE", message: /--allow-child-process/},
  );
});
