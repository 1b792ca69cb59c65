/** `tf-trusted convert`: a frozen graph to a TensorFlow Lite file. */
import {join} from "node:path";
import type {QuantisationReport} from "@tf-trusted/convert";
import type {JsonValue} from "@tf-trusted/core";
import {oneOf, parseShapeRequest, wholeNumber} from "../arguments.ts";
import {CliError} from "../cli-error.ts";
import {defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {makeFolder, writeOutputFile} from "../files.ts";
import {openModel} from "../model/open-model.ts";
import {listOperators, renderPorts} from "../render/ports.ts";
import {formatBytes, formatMs} from "../render/quantities.ts";
import {printable, type Style} from "../render/style.ts";

const parseIoType = oneOf("float32", "int8", "uint8");
const parseQuantize = oneOf("weights", "float16", "keep");

export const convertCommand = defineCommand({
  name: "convert",
  summary: "Convert a TensorFlow model to a TensorFlow Lite file",
  description:
    "Reads SavedModel folders, .pb and .pbtxt. Operators that can't be converted are listed all at once. Nothing leaves this machine.",
  operands: [{name: "MODEL", help: "a SavedModel folder or a frozen GraphDef (.pb, .pbtxt)"}],
  flags: {
    "output-file": {value: "FILE", help: "the .tflite file to write"},
    "input-name": {value: "NAME", repeat: true, help: "an input, as node or node:0", byDefault: "the placeholders"},
    "output-name": {
      value: "NAME",
      repeat: true,
      help: "an output, as node or node:0",
      byDefault: "what nothing else uses",
    },
    "input-shape": {
      value: "NAME=SHAPE",
      repeat: true,
      parse: parseShapeRequest,
      help: "fix the shape of an input: image=1,224,224,3; ? leaves a dimension open",
    },
    signature: {value: "NAME", help: "of a SavedModel with several", byDefault: "serving_default"},
    "batch-size": {value: "N", parse: wholeNumber(1, 1_000_000), help: "fix the first dimension of each input"},
    quantize: {
      value: "weights|float16|keep",
      parse: parseQuantize,
      help: "weights: int8 weights; float16: float16 weights; keep: int8 arithmetic of fake quantisation",
    },
    "io-type": {
      value: "int8|uint8|float32",
      parse: parseIoType,
      help: "with --quantize keep: the dtype of inputs and outputs",
      byDefault: "float32",
    },
    "dump-passes": {value: "DIR", help: "write the graph after each pass as text, a file each"},
  },
  examples: [
    {
      line: "convert fixtures/digits/digits.pb --output-file digits.tflite",
      what: "all inputs and outputs of the graph",
    },
    {
      line: "convert fixtures/digits/digits.pb --output-file digits.tflite --output-name probabilities --input-shape image=1,8,8,1",
      what: "one output, and a fixed shape",
    },
  ],
  async run([path], flags, {print, progress}) {
    const target = flags["output-file"];
    if (target === undefined) throw new CliError("CLI_USAGE", "convert needs --output-file FILE");
    if (flags["io-type"] !== undefined && flags.quantize !== "keep")
      throw new CliError(
        "CLI_USAGE",
        "--io-type needs --quantize keep: without it there are no levels for inputs and outputs",
      );
    progress.step(`Converting ${path}`);
    const dumps: (readonly [string, string])[] = [];
    const opened = await openModel(
      path!,
      {
        inputNames: flags["input-name"],
        outputNames: flags["output-name"],
        shapes: flags["input-shape"],
        batchSize: flags["batch-size"],
        signature: flags.signature,
      },
      {
        ...(flags["dump-passes"] !== undefined && {dumpPass: (name, text) => dumps.push([name, text])}),
        ...(flags.quantize !== undefined && {quantize: flags.quantize}),
        ...(flags["io-type"] !== undefined && {ioType: flags["io-type"]}),
      },
    );
    const {model, sourceBytes, report, convertMs, inputs, outputs} = opened;
    const dumped = await writeDumps(flags["dump-passes"], dumps);
    await writeOutputFile(target, model);
    await print({
      json: {
        model: path!,
        outputFile: target,
        format: report.format,
        sourceBytes,
        modelBytes: model.length,
        convertMs,
        inputs: inputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
        outputs: outputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
        sourceOperators: report.sourceOperators,
        operators: report.operators,
        passes: report.passes,
        notes: report.notes,
        ...(report.quantisation && {quantisation: quantisationJson(report.quantisation)}),
        dumps: dumped,
      },
      text: (style, columns) => {
        const sizes = `${formatBytes(sourceBytes)} → ${formatBytes(model.length)}, in ${formatMs(convertMs)}`;
        const lines = [
          `${style.green("✓")} ${style.bold(target)}  ${style.dim(sizes)}`,
          "",
          renderPorts(
            [
              {title: "inputs", ports: inputs},
              {title: "outputs", ports: outputs},
            ],
            style,
            columns,
          ),
          "",
          `${style.bold("operators")}  ${listOperators(report.operators)}`,
          ...(report.quantisation ? [renderQuantisation(report.quantisation, style)] : []),
          ...report.notes.map((note) => `${style.yellow("note")} ${printable(note)}`),
          ...(dumped.length > 0 ? [`${style.dim(`${dumped.length} dumps of passes in ${flags["dump-passes"]}`)}`] : []),
        ];
        return `${lines.join("\n")}\n`;
      },
    });
    return exitCodes.done;
  },
});

function quantisationJson({mode, constants, operators}: QuantisationReport): JsonValue {
  const tensors = constants.map(({name, dtype, elements, scales}) => ({name, dtype, elements, scales}));
  return {mode, constants: tensors, operators};
}

/** `quantised  27 constants: 25 int8, 2 int32; operators CONV_2D ×12`. */
function renderQuantisation({constants, operators}: QuantisationReport, style: Style): string {
  const counts = new Map<string, number>();
  for (const {dtype} of constants) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  const kinds = [...counts].map(([dtype, count]) => `${count} ${dtype}`).join(", ");
  const computed = Object.keys(operators).length > 0 ? `; operators ${listOperators(operators)}` : "";
  return `${style.bold("quantised")}  ${constants.length === 0 ? "no constants" : `constants: ${kinds}`}${computed}`;
}

/** `03-fold-constants.txt`: sorted by name they are in order. */
async function writeDumps(
  folder: string | undefined,
  dumps: readonly (readonly [string, string])[],
): Promise<string[]> {
  if (folder === undefined) return [];
  await makeFolder(folder);
  const paths: string[] = [];
  for (const [i, [name, text]] of dumps.entries()) {
    const path = join(folder, `${String(i).padStart(2, "0")}-${name.replace(/[^\w-]/g, "-")}.txt`);
    await writeOutputFile(path, text.endsWith("\n") ? text : `${text}\n`);
    paths.push(path);
  }
  return paths;
}
