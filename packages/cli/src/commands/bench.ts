/** `tf-trusted bench`: how long predictions take, in the engine, inside the enclave, and for the caller. */

import {listOf, wholeNumber} from "../arguments.ts";
import {benchmarkPage} from "../benchmark/page.ts";
import {type BenchmarkCase, casesToJson, renderCases} from "../benchmark/render.ts";
import {runBenchmark} from "../benchmark/run-benchmark.ts";
import {defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {writeOutputFile} from "../files.ts";
import {openModel} from "../model/open-model.ts";
import {prepareInputs} from "../model/prepare-inputs.ts";
import {sampleInputs} from "../model/sample-inputs.ts";
import {openSession} from "../open-session.ts";
import {attestationSummary, renderAttestationLine} from "../render/attestation-line.ts";
import {printable} from "../render/style.ts";
import {
  benchmarkFlags,
  checkServerFlags,
  defaultModelName,
  inputFlags,
  PhaseClock,
  readInputFiles,
  serverFlags,
  traceLabel,
} from "./prediction-flags.ts";

const parseCallers = listOf(wholeNumber(1, 1000));

export const benchCommand = defineCommand({
  name: "bench",
  summary: "Time predictions of models inside a verified enclave",
  description:
    "p50, p90 and p99 of the engine's time, the time inside the enclave, and the whole call over the attested session; " +
    "predictions a second; memory of an enclave started here. Every model with every number of callers. " +
    "Without --input-file the inputs are made up: floats between 0 and 1, zeros for other types.",
  operands: [{name: "MODEL", help: "models, of any kind that convert takes", repeat: true}],
  flags: {
    ...inputFlags,
    ...serverFlags,
    ...benchmarkFlags,
    callers: {
      value: "N,N",
      parse: parseCallers,
      help: "how many callers at once, each waiting for its answer before it asks again",
      byDefault: "1",
    },
    html: {value: "FILE", help: "a page with plots, which needs nothing else"},
  },
  examples: [
    {line: "bench fixtures/digits/digits.pb", what: "100 predictions in a simulated enclave on this machine"},
    {line: "bench fixtures/digits/digits.pb --batch-size 32 --iterations 20 --trace-dir traces", what: "batches of 32"},
    {
      line: "bench fixtures/digits/digits.pb --callers 1,4 --iterations 200 --html bench.html",
      what: "one caller and four, with plots",
    },
  ],
  async run(paths, args, context) {
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
      keepState: args["keep-state"],
    };
    const name = args["model-name"] ?? defaultModelName;
    const files = await readInputFiles(args["input-file"]);
    const {connection, memoryBytes, close} = await clock.time("verify", () => openSession(args, context));
    try {
      note(renderAttestationLine(connection.report, noteStyle));
      const cases: BenchmarkCase[] = [];
      for (const path of paths) {
        progress.step(`Converting ${path}`);
        const opened = await clock.time("convert", () => openModel(path, wishes));
        const {tensors, notes} =
          files.length === 0
            ? {tensors: sampleInputs(opened.inputs, wishes), notes: []}
            : prepareInputs(opened.inputs, files, wishes);
        for (const text of [...opened.report.notes, ...notes]) note(`${noteStyle.yellow("note")} ${printable(text)}`);
        progress.step(`Loading ${path}`);
        await clock.time("load", () => connection.load(opened.model, {name, signal}));
        for (const callers of args.callers ?? [1]) {
          const call = {model: name, signature: opened.signature, inputs: tensors, signal};
          const label = traceLabel(args["model-name"], path);
          const flags = {...args, callers};
          const report = await runBenchmark(connection, call, label, flags, clock, context);
          cases.push({
            model: {path, name, signature: opened.signature, bytes: opened.report.modelBytes},
            inputs: Object.entries(tensors).map(([input, {dtype, shape}]) => ({name: input, dtype, shape})),
            report,
            memoryBytes: await memoryBytes(),
          });
        }
        await connection.delete(name, {signal});
      }
      if (args.html !== undefined) await writeOutputFile(args.html, await benchmarkPage(cases));
      await print({
        json: {
          attestation: attestationSummary(connection.report),
          cases: casesToJson(cases),
          html: args.html ?? null,
        },
        text: (style, columns) =>
          renderCases(cases, style, columns) +
          (args.html === undefined ? "" : `${style.bold("plots")}   ${printable(args.html)}\n`),
      });
      return exitCodes.done;
    } finally {
      await close();
    }
  },
});
