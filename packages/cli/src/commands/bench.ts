/** `tf-trusted bench`: how long predictions take, in the engine, inside the enclave, and for the caller. */
import {benchmarkToJson, renderBenchmark} from "../benchmark/render.ts";
import {defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {openModel} from "../model/open-model.ts";
import {prepareInputs} from "../model/prepare-inputs.ts";
import {sampleInputs} from "../model/sample-inputs.ts";
import {openSession} from "../open-session.ts";
import {attestationSummary, renderAttestationLine} from "../render/attestation-line.ts";
import {formatShape} from "../render/quantities.ts";
import {printable} from "../render/style.ts";
import {
  benchmarkFlags,
  checkServerFlags,
  defaultModelName,
  inputFlags,
  PhaseClock,
  readInputFiles,
  runBenchmark,
  serverFlags,
  traceLabel,
} from "./prediction-flags.ts";

export const benchCommand = defineCommand({
  name: "bench",
  summary: "Time predictions of a model inside a verified enclave",
  description:
    "p50, p90 and p99 of the engine's time, the time inside the enclave, and the whole call over the attested session. " +
    "Without --input-file the inputs are made up: floats between 0 and 1, zeros for other types.",
  operands: [{name: "MODEL", help: "the model: .pb, .pbtxt or .tflite"}],
  flags: {...inputFlags, ...serverFlags, ...benchmarkFlags},
  examples: [
    {line: "bench fixtures/digits/digits.pb", what: "100 predictions in a simulated enclave on this machine"},
    {line: "bench fixtures/digits/digits.pb --batch-size 32 --iterations 20 --trace-dir traces", what: "batches of 32"},
  ],
  async run([path], args, context) {
    const {note, noteStyle, progress, print, signal} = context;
    checkServerFlags(args);
    const clock = new PhaseClock();
    const wishes = {
      inputNames: args["input-name"],
      outputNames: args["output-name"],
      shapes: args["input-shape"],
      batchSize: args["batch-size"],
      signature: args.signature,
      tags: args.tags,
    };
    const name = args["model-name"] ?? defaultModelName;
    const files = await readInputFiles(args["input-file"]);
    progress.step(`Converting ${path}`);
    const opened = await clock.time("convert", () => openModel(path!, wishes));
    const {tensors, notes} =
      files.length === 0
        ? {tensors: sampleInputs(opened.inputs, wishes), notes: []}
        : prepareInputs(opened.inputs, files, wishes);
    for (const text of [...opened.report.notes, ...notes]) note(`${noteStyle.yellow("note")} ${printable(text)}`);
    const {connection, close} = await clock.time("verify", () => openSession(args, context));
    try {
      note(renderAttestationLine(connection.report, noteStyle));
      progress.step(`Loading ${name}`);
      await clock.time("load", () => connection.load(opened.model, {name, signal}));
      const benchmark = await runBenchmark(
        connection,
        {model: name, signature: opened.signature, inputs: tensors, signal},
        traceLabel(args["model-name"], path),
        args,
        clock,
        context,
      );
      const shapes = Object.entries(tensors).map(([input, {dtype, shape}]) => ({name: input, dtype, shape}));
      await print({
        json: {
          model: {path: path!, name, signature: opened.signature, bytes: opened.model.length},
          inputs: shapes,
          attestation: attestationSummary(connection.report),
          benchmark: benchmarkToJson(benchmark),
        },
        text: (style) => {
          const inputs = shapes.map((input) => `${printable(input.name)} ${input.dtype} ${formatShape(input.shape)}`);
          return `${style.bold(path!)}  ${style.dim(inputs.join(", "))}\n\n${renderBenchmark(benchmark, style)}\n`;
        },
      });
      return exitCodes.done;
    } finally {
      await close();
    }
  },
});
