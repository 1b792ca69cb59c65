/** `tf-trusted bench`: how long predictions take, in the engine, inside the enclave, and for the caller. */

import type {Report} from "@tf-trusted/attestation";
import type {Tensor} from "@tf-trusted/tensor";
import {listOf, oneOf, wholeNumber} from "../arguments.ts";
import {benchmarkPage} from "../benchmark/page.ts";
import {type BenchmarkCase, casesToJson, renderCases} from "../benchmark/render.ts";
import {runBenchmark} from "../benchmark/run-benchmark.ts";
import {defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {writeOutputFile} from "../files.ts";
import {type OpenedModel, openModel} from "../model/open-model.ts";
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
  modelWishes,
  PhaseClock,
  readInputFiles,
  serverFlags,
  traceLabel,
} from "./prediction-flags.ts";

const parseCallers = listOf(wholeNumber(1, 1000));
const parseEngines = listOf(oneOf("auto", "wasm", "native"));
const parseThreads = listOf(wholeNumber(1, 64));

export const benchCommand = defineCommand({
  name: "bench",
  summary: "Time predictions of models inside a verified enclave",
  description:
    "p50, p90 and p99 of the engine's time, the time inside the enclave, and the whole call over the attested session; " +
    "predictions a second; memory of an enclave started here. Every model with every engine, number of threads and number " +
    "of callers. " +
    "Without --input-file the inputs are made up: floats between 0 and 1, zeros for other types.",
  operands: [{name: "MODEL", help: "models, of any kind that convert takes", repeat: true}],
  flags: {
    ...inputFlags,
    ...serverFlags,
    ...benchmarkFlags,
    engine: {
      value: "auto|wasm|native,…",
      parse: parseEngines,
      help: "what computes, in an enclave of its own each; auto: native where it is installed",
      byDefault: "auto",
    },
    threads: {
      value: "N,N",
      parse: parseThreads,
      help: "threads of a model, with the native engine; wasm has one",
      byDefault: "1",
    },
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
      line: "bench fixtures/digits/digits.pb --engine wasm,native --threads 1,2 --callers 1,4 --html bench.html",
      what: "both engines, one thread and two, one caller and four, with plots",
    },
  ],
  async run(paths, args, context) {
    const {note, noteStyle, progress, print, signal} = context;
    checkServerFlags(args);
    const clock = new PhaseClock();
    const wishes = modelWishes(args);
    const name = args["model-name"] ?? defaultModelName;
    const files = await readInputFiles(args["input-file"]);
    const models: {readonly path: string; readonly opened: OpenedModel; readonly tensors: Record<string, Tensor>}[] =
      [];
    for (const path of paths) {
      progress.step(`Converting ${path}`);
      const opened = await clock.time("convert", () => openModel(path, wishes));
      const {tensors, notes} =
        files.length === 0
          ? {tensors: sampleInputs(opened.inputs, wishes), notes: []}
          : prepareInputs(opened.inputs, files, wishes);
      for (const text of [...opened.report.notes, ...notes]) note(`${noteStyle.yellow("note")} ${printable(text)}`);
      models.push({path, opened, tensors});
    }
    const cases: BenchmarkCase[] = [];
    const reports: Report[] = [];
    for (const engine of new Set(args.engine ?? [undefined])) {
      const {connection, memoryBytes, close} = await clock.time("verify", () => {
        return openSession({...args, engine, threads: undefined}, context);
      });
      try {
        reports.push(connection.report);
        note(renderAttestationLine(connection.report, noteStyle));
        for (const {path, opened, tensors} of models) {
          const done = new Set<number>();
          for (const wanted of args.threads ?? [1]) {
            progress.step(`Loading ${path}`);
            const model = await clock.time("load", () =>
              connection.load(opened.model, {name, threads: wanted, signal}),
            );
            const {figures} = await model.describe({signal});
            const threads = figures?.threads ?? wanted;
            // An engine, or cores, may not have as many.
            if (done.has(threads)) continue;
            done.add(threads);
            for (const callers of new Set(args.callers ?? [1])) {
              const call = {model: name, signature: opened.signature, inputs: tensors, signal};
              const label = traceLabel(args["model-name"], path);
              const report = await runBenchmark(connection, call, label, {...args, callers}, clock, context);
              cases.push({
                model: {path, name, signature: opened.signature, bytes: opened.report.modelBytes},
                inputs: Object.entries(tensors).map(([input, {dtype, shape}]) => ({name: input, dtype, shape})),
                engine: connection.claims.engine.id,
                threads,
                report,
                memoryBytes: await memoryBytes(),
              });
            }
          }
          await connection.delete(name, {signal});
        }
      } finally {
        await close();
      }
    }
    if (args.html !== undefined) await writeOutputFile(args.html, await benchmarkPage(cases));
    await print({
      json: {
        attestations: reports.map(attestationSummary),
        cases: casesToJson(cases),
        html: args.html ?? null,
      },
      text: (style, columns) =>
        renderCases(cases, style, columns) +
        (args.html === undefined ? "" : `${style.bold("plots")}   ${printable(args.html)}\n`),
    });
    return exitCodes.done;
  },
});
