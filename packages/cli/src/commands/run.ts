/** `tf-trusted run`: a model and an array in, a prediction out, through an enclave that was verified first. */
import {formatTensor, type Tensor, writeNpy, writeNpz} from "@tf-trusted/tensor";
import {benchmarkToJson, renderBenchmark} from "../benchmark/render.ts";
import {runBenchmark} from "../benchmark/run-benchmark.ts";
import {CliError} from "../cli-error.ts";
import {defineCommand, type FlagValues} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {writeOutputFile} from "../files.ts";
import {checkWishes, chooseOutputs, chooseSignature, openModel, toPort} from "../model/open-model.ts";
import {prepareInputs} from "../model/prepare-inputs.ts";
import {tensorToJson} from "../model/tensor-json.ts";
import {openSession} from "../open-session.ts";
import {attestationSummary, renderAttestationLine} from "../render/attestation-line.ts";
import {formatShape} from "../render/quantities.ts";
import {printable, type Style} from "../render/style.ts";
import {
  benchmarkFlags,
  checkServerFlags,
  defaultModelName,
  inputFlags,
  modelWishes,
  PhaseClock,
  readInputFiles,
  serverFlags,
  traceLabel,
} from "./prediction-flags.ts";

const flags = {
  "model-file": {value: "FILE", help: "the model: .pb, .pbtxt or .tflite"},
  ...inputFlags,
  "output-file": {value: "FILE", help: "write the outputs: .npy for one, .npz for several"},
  ...serverFlags,
  "from-file": {help: "the model is in the server already, under --model-name"},
  benchmark: {help: "time predictions as well"},
  ...benchmarkFlags,
} as const;

type RunFlags = FlagValues<typeof flags>;

export const runCommand = defineCommand({
  name: "run",
  summary: "Predict inside a verified enclave",
  description:
    "Converts the model here, verifies the enclave, and only then sends model and inputs. Without --server it starts a " +
    "simulated enclave, verifies it with its measurement and root pinned, and stops it afterwards.",
  operands: [],
  flags,
  examples: [
    {
      line: "run --model-file fixtures/digits/digits.pb --input-file fixtures/digits/digits/3.npy",
      what: "a simulated enclave on this machine",
    },
    {
      line: "run --model-file fixtures/digits/digits.pb --input-file fixtures/digits/digits/3.npy --server 127.0.0.1:50051 --policy policy.json",
      what: "an enclave that somebody runs (tf-trusted serve), and the policy it has to satisfy",
    },
  ],
  async run(_operands, args, context) {
    const {note, noteStyle, progress, print, signal} = context;
    checkFlags(args);
    const clock = new PhaseClock();
    const wishes = modelWishes(args);
    const name = args["model-name"] ?? defaultModelName;
    const files = await readInputFiles(args["input-file"]);
    const path = args["from-file"] ? undefined : args["model-file"]!;
    if (path !== undefined) progress.step(`Converting ${path}`);
    const opened = path === undefined ? undefined : await clock.time("convert", () => openModel(path, wishes));
    for (const text of opened?.report.notes ?? []) note(`${noteStyle.yellow("note")} ${printable(text)}`);
    // Before an enclave is started, so that mistakes are told at once.
    let prepared = opened && prepareInputs(opened.inputs, files, wishes);

    const {connection, close} = await clock.time("verify", () => openSession(args, context));
    try {
      note(renderAttestationLine(connection.report, noteStyle));
      progress.step(`Loading ${name}`);
      const described = await clock.time("load", () =>
        opened === undefined
          ? connection.model(name).describe({signal})
          : connection.load(opened.model, {name, signal}),
      );
      const signature = chooseSignature(described.signatures, args.signature);
      if (prepared === undefined) {
        const inputs = signature.inputs.map(toPort);
        checkWishes(inputs, wishes);
        prepared = prepareInputs(inputs, files, wishes);
      }
      for (const text of prepared.notes) note(`${noteStyle.yellow("note")} ${printable(text)}`);
      const outputNames = chooseOutputs(
        signature.outputs.map((output) => output.name),
        wishes.outputNames,
      );
      checkOutputFile(args["output-file"], outputNames.length);
      const call = {model: name, signature: signature.name, inputs: prepared.tensors, signal};
      progress.step("Predicting");
      const {outputs, timings} = await clock.time("predict", () => connection.predictDetailed(call));
      const chosen = outputNames.map((output) => [output, outputs[output]!] as const);
      const benchmark = args.benchmark
        ? await runBenchmark(connection, call, traceLabel(args["model-name"], path), args, clock, context)
        : undefined;
      if (args["output-file"] !== undefined) await writeOutputs(args["output-file"], chosen);
      await print({
        json: {
          outputs: Object.fromEntries(chosen.map(([output, tensor]) => [output, tensorToJson(tensor)])),
          outputFile: args["output-file"] ?? null,
          model: {name, signature: signature.name, bytes: described.size, sha256: described.sha256},
          attestation: attestationSummary(connection.report),
          timings: {
            convertMs: clock.durationMs("convert"),
            verifyMs: clock.durationMs("verify"),
            loadMs: clock.durationMs("load"),
            ...timings,
          },
          benchmark: benchmark === undefined ? null : benchmarkToJson(benchmark),
          notes: [...(opened?.report.notes ?? []), ...prepared.notes],
        },
        text: (style) =>
          renderPrediction(chosen, style) + (benchmark === undefined ? "" : `\n${renderBenchmark(benchmark, style)}\n`),
      });
      return exitCodes.done;
    } finally {
      await close();
    }
  },
});

function checkFlags(args: RunFlags): void {
  const usage = (message: string): CliError => new CliError("CLI_USAGE", message);
  if (args["from-file"]) {
    if (args.server === undefined) throw usage("--from-file needs --server: an enclave started here has no models yet");
    if (args["model-name"] === undefined) throw usage("--from-file needs --model-name, the name in the server");
  } else if (args["model-file"] === undefined) throw usage("run needs --model-file FILE");
  if (args["input-file"].length === 0) throw usage("run needs --input-file FILE");
  checkServerFlags(args);
}

/** As the first version printed it: `Prediction:  ` and the array. */
function renderPrediction(outputs: readonly (readonly [string, Tensor])[], style: Style): string {
  const [only] = outputs;
  if (outputs.length === 1 && only !== undefined) return `Prediction:  ${formatTensor(only[1])}\n`;
  const blocks = outputs.map(
    ([name, tensor]) =>
      `${style.bold(printable(name))} ${style.dim(`${tensor.dtype} ${formatShape(tensor.shape)}`)}\n${formatTensor(tensor)}`,
  );
  return `Prediction:  \n${blocks.join("\n")}\n`;
}

/** Throws `CLI_FILE_KIND` before anything was computed for a file that can't take it. */
function checkOutputFile(path: string | undefined, outputs: number): void {
  if (path === undefined || path.endsWith(".npz") || outputs === 1) return;
  throw new CliError(
    "CLI_FILE_KIND",
    `${path} takes one output, found ${outputs}; name a .npz, or one output with --output-name`,
  );
}

async function writeOutputs(path: string, outputs: readonly (readonly [string, Tensor])[]): Promise<void> {
  await writeOutputFile(path, path.endsWith(".npz") ? writeNpz(outputs) : writeNpy(outputs[0]![1]));
}
