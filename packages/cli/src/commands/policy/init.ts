/** `tf-trusted policy init`: a policy to begin with. */
import {
  checkPolicy,
  detectEvidence,
  type IdentityInput,
  identityOfEvidence,
  type PolicyInput,
} from "@tf-trusted/attestation";
import {oneOf} from "../../arguments.ts";
import {CliError} from "../../cli-error.ts";
import {defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {readInputFile, writeOutputFile} from "../../files.ts";
import {formatJson} from "../../render/json.ts";
import {machineOfState} from "../../simulated-state.ts";
import {engineFlags} from "../prediction-flags.ts";

const products = ["Milan", "Genoa", "Turin"] as const;

/** By kind of TEE: the digits of its measurement, and the identity of hardware that has one of these. */
const tees = {
  sgx: {digits: 64, identity: (accepted) => ({tee: "sgx", root: "intel", mrEnclave: accepted})},
  tdx: {digits: 96, identity: (accepted) => ({tee: "tdx", root: "intel", mrTd: accepted})},
  snp: {
    digits: 96,
    identity: (accepted, product) => {
      if (product === undefined) throw new CliError("CLI_USAGE", `--tee snp needs --product ${products.join(", ")}`);
      const root = `amd-${product.toLowerCase()}` as "amd-milan" | "amd-genoa" | "amd-turin";
      return {tee: "snp", root, product, measurement: accepted};
    },
  },
  nitro: {digits: 96, identity: (accepted) => ({tee: "nitro", root: "aws-nitro", pcrs: {0: accepted}})},
} as const satisfies Readonly<
  Record<
    string,
    {
      readonly digits: number;
      readonly identity: (accepted: [string, ...string[]], product?: (typeof products)[number]) => IdentityInput;
    }
  >
>;

/** What weakens nothing and stops old statements; of Intel's kinds only. */
const freshCollateral = {maximumCollateralAgeDays: 30} as const;

const parseTee = oneOf("sgx", "tdx", "snp", "nitro");
const parseProduct = oneOf(...products);
const parseRoot = parseDigest(64);
const parseMeasurement = parseDigest(64, 96);

export const policyInitCommand = defineCommand({
  name: "policy init",
  summary: "Write a policy to begin with",
  description:
    "For hardware: --tee and the measurements that you give, under the vendor's root; or --from a quote, report or " +
    "document, which is accepted by its measurements (whether it is genuine, `verify` says). With --simulated: the " +
    "enclave that is installed here, under the root that `serve --state DIR` keeps. A simulation protects nothing against its owner.",
  operands: [],
  flags: {
    tee: {value: "TEE", parse: parseTee, help: "sgx, tdx, snp or nitro", byDefault: "sgx"},
    product: {value: "LINE", parse: parseProduct, help: "of SNP: Milan, Genoa or Turin"},
    from: {value: "FILE", help: "evidence of the program that is to be accepted"},
    simulated: {help: "for a simulated enclave"},
    state: {value: "DIR", help: "with --simulated: where serve keeps the simulated root"},
    root: {value: "SHA256", parse: parseRoot, help: "with --simulated: the SGX root's key, as serve prints it"},
    measurement: {
      value: "HEX",
      repeat: true,
      parse: parseMeasurement,
      help: "an accepted measurement (MRENCLAVE, MRTD, launch measurement, PCR0)",
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
    {line: "policy init --from fixtures/nitro/document.bin", what: "what made this evidence, under its vendor's root"},
    {line: "policy init --simulated --state state --output-file policy.json", what: "what `serve --state state` runs"},
  ],
  async run(_operands, flags, {print, note, noteStyle, progress, json}) {
    const {simulated, state, root, from, measurement, "output-file": outputFile} = flags;
    if (!simulated && (state !== undefined || root !== undefined)) {
      throw new CliError("CLI_USAGE", "--state and --root are for --simulated");
    }
    if (from !== undefined && (simulated || measurement.length > 0 || flags.tee !== undefined)) {
      throw new CliError(
        "CLI_USAGE",
        "--from FILE says all: neither --simulated, --tee nor --measurement goes with it",
      );
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
      const identity =
        root === undefined
          ? await (await machineOfState(state!)).identity(accepted)
          : {tee: "sgx" as const, name: "simulated enclave", root: {simulated: root}, mrEnclave: [...accepted]};
      policy = {version: 1, identities: [identity]};
    } else {
      const identity = from === undefined ? ofMeasurements(flags) : await ofEvidence(from, flags.product);
      const dcap = identity.tee === "sgx" || identity.tee === "tdx" ? freshCollateral : {};
      policy = {version: 1, identities: [{...identity, name: "enclave", ...dcap} as IdentityInput]};
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

function ofMeasurements(flags: {
  readonly tee: keyof typeof tees | undefined;
  readonly product: (typeof products)[number] | undefined;
  readonly measurement: readonly string[];
}): IdentityInput {
  const {tee = "sgx", product, measurement} = flags;
  const [first, ...others] = measurement;
  if (first === undefined) {
    throw new CliError(
      "CLI_USAGE",
      "policy init needs --measurement HEX, --from FILE or --simulated: a policy without one would accept every enclave",
    );
  }
  const {digits, identity} = tees[tee];
  const odd = measurement.find((text) => text.length !== digits);
  if (odd !== undefined) {
    throw new CliError("CLI_USAGE", `a measurement of ${tee} has ${digits} hexadecimal digits; found ${odd.length}`);
  }
  return identity([first, ...others], product);
}

async function ofEvidence(path: string, product: (typeof products)[number] | undefined): Promise<IdentityInput> {
  const {tee, bytes} = detectEvidence(await readInputFile(path));
  return identityOfEvidence(tee, bytes, product);
}

function parseDigest(...digits: readonly number[]): (text: string) => string {
  return (text) => {
    if (/^[0-9a-fA-F]*$/.test(text) && digits.includes(text.length)) return text.toLowerCase();
    throw new Error(`${digits.join(" or ")} hexadecimal digits; found "${text}"`);
  };
}
