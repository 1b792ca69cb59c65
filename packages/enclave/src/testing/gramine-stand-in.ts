/**
 * A program that does what `gramine-sgx NAME` does with our manifest, on a machine without SGX: reads NAME.manifest.sgx in
 * the folder where it is started, takes the enclave's arguments from it and from nowhere else, and runs the real enclave
 * with a stand-in for `/dev/attestation` whose quotes come from the simulated machine in `machine.json`.
 */
import {readFileSync} from "node:fs";
import {pathToFileURL} from "node:url";
import {evidenceParts, restoreSimulatedMachine} from "@tf-trusted/attestation";
import {parseHex} from "@tf-trusted/core";
import {startEnclave} from "../enclave.ts";
import {type EnclaveEvent, startRefusal} from "../events.ts";
import {defaultArtefact} from "../launch/artefact.ts";
import {parseGramineManifest} from "../measure/gramine-manifest.ts";
import {measureGramineEnclave} from "../measure/mrenclave.ts";
import {openPlatform} from "../platforms/open-platform.ts";
import {parseStartArguments} from "../start/arguments.ts";
import {openEngine} from "../start/engine-files.ts";
import {fakeAttestationDevice} from "./fake-attestation-device.ts";

const events = (event: EnclaveEvent): void => {
  process.stderr.write(`${JSON.stringify(event)}\n`);
};
const manifest = readFileSync(`${process.argv[2]}.manifest.sgx`);
const libpal = readFileSync("libpal.so");
const machine = await restoreSimulatedMachine(JSON.parse(readFileSync("machine.json", "utf8")), {
  now: () => new Date(),
});
const measurement = parseHex(measureGramineEnclave({manifest, libpal, version: "1.9"}));
const {document} = parseGramineManifest(manifest.toString());
const {argv} = (document as {readonly loader: {readonly argv: readonly string[]}}).loader;
const entry = argv.findIndex((argument) => argument.endsWith(".mjs"));

const device = fakeAttestationDevice(
  async (reportData) => evidenceParts(await machine.attest({measurement, reportData})).body,
);
try {
  const {platform: kind, host, port, configuration} = parseStartArguments(argv.slice(entry + 1))!;
  const platform = await openPlatform(kind, {flags: argv.slice(1, entry), environment: {}}, device);
  const engine = await openEngine(pathToFileURL(`${defaultArtefact}/`), configuration, platform.kind);
  const enclave = await startEnclave({engine, platform, configuration, host, port, events});
  process.on("SIGTERM", () => void enclave.stop().finally(() => process.exit(0)));
} catch (error) {
  events(startRefusal(error));
  process.exit(1);
}
