/** `tf-trusted policy init`: a policy to begin with. */
import {checkPolicy, type PolicyInput} from "@tf-trusted/attestation";
import {CliError} from "../../cli-error.ts";
import {defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {writeOutputFile} from "../../files.ts";
import {formatJson} from "../../render/json.ts";
import {rootOfState, simulatedPolicy} from "../../simulated-state.ts";
import {engineFlags} from "../prediction-flags.ts";

export const policyInitCommand = defineCommand({
  name: "policy init",
  summary: "Write a policy to begin with",
  description:
    "For hardware: SGX under Intel's root, with the measurements that you give. With --simulated: the enclave that is " +
    "installed here, under the root that `serve --state DIR` keeps. A simulation protects nothing against its owner.",
  operands: [],
  flags: {
    simulated: {help: "for a simulated enclave"},
    state: {value: "DIR", help: "with --simulated: where serve keeps the simulated root"},
    root: {value: "SHA256", parse: parseDigest, help: "with --simulated: the root's key, as serve prints it"},
    measurement: {
      value: "SHA256",
      repeat: true,
      parse: parseDigest,
      help: "an accepted measurement (MRENCLAVE)",
      byDefault: "with --simulated: of the enclave that is installed here",
    },
    ...engineFlags,
    "output-file": {value: "FILE", help: "where to write it", byDefault: "standard output"},
  },
  examples: [
    {
      line: "policy init --measurement 5a1c0f3e9b7d2468ace013579bdf02468ace013579bdf02468ace013579bdf02 --output-file policy.json",
      what: "SGX hardware, one build of an enclave",
    },
    {line: "policy init --simulated --state state --output-file policy.json", what: "what `serve --state state` runs"},
  ],
  async run(_operands, flags, {print, note, noteStyle, progress, json}) {
    const {simulated, state, root, measurement, "output-file": outputFile} = flags;
    if (!simulated && (state !== undefined || root !== undefined)) {
      throw new CliError("CLI_USAGE", "--state and --root are for --simulated");
    }
    let policy: PolicyInput;
    if (simulated) {
      if ((state === undefined) === (root === undefined)) {
        throw new CliError("CLI_USAGE", "policy init --simulated needs either --state DIR or --root SHA256");
      }
      progress.step("Measuring the enclave");
      const {artefactWith, chooseEngine, measureArtefact} = await import("@tf-trusted/enclave");
      const installed = async () => measureArtefact(await artefactWith(chooseEngine(flags.engine ?? "auto").engine));
      const accepted = measurement.length > 0 ? measurement : [(await installed()).expected];
      policy = simulatedPolicy(root ?? (await rootOfState(state!)), accepted);
    } else {
      if (measurement.length === 0) {
        throw new CliError(
          "CLI_USAGE",
          "policy init needs --measurement SHA256 (or --simulated): a policy without one would accept every enclave",
        );
      }
      policy = {
        version: 1,
        identities: [
          {tee: "sgx", name: "enclave", root: "intel", mrEnclave: [...measurement], maximumCollateralAgeDays: 30},
        ],
      };
    }
    const text = `${formatJson(policy as never)}\n`;
    for (const {severity, path, message} of checkPolicy(policy)) {
      note(`${noteStyle.yellow(severity)} ${path}: ${message}`);
    }
    if (outputFile !== undefined) await writeOutputFile(outputFile, text);
    if (outputFile === undefined || json) await print({json: policy as never, text: () => text});
    return exitCodes.done;
  },
});

function parseDigest(text: string): string {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  throw new Error(`64 hexadecimal digits; found "${text}"`);
}
