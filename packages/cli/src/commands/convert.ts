/** `tf-trusted convert`: a frozen graph to a TensorFlow Lite file. */
import {join} from "node:path";
import type {Change, QuantisationReport} from "@tf-trusted/convert";
import type {JsonValue} from "@tf-trusted/core";
import {defaultLimits} from "@tf-trusted/litert";
import {oneOf, parseShapeRequest, parseTags, positiveNumber, wholeNumber} from "../arguments.ts";
import {CliError} from "../cli-error.ts";
import {type Context, defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {makeFolder, writeOutputFile} from "../files.ts";
import {type CheckResult, checkModel, randomInputs} from "../model/check-model.ts";
import {type OpenedModel, openModel} from "../model/open-model.ts";
import {prepareInputs} from "../model/prepare-inputs.ts";
import {listOperators, renderPorts} from "../render/ports.ts";
import {formatBytes, formatMs, formatShape} from "../render/quantities.ts";
import {printable, type Style} from "../render/style.ts";
import {keepStateFlag, readInputFiles} from "./prediction-flags.ts";

const parseIoType = oneOf("source", "float32", "int8", "uint8");
const parseQuantize = oneOf("weights", "float16", "keep");

export const convertCommand = defineCommand({
  name: "convert",
  summary: "Convert a TensorFlow model to a TensorFlow Lite file",
  description:
    "Reads SavedModel and TensorFlow.js folders (also zipped), .pb, .pbtxt, .keras and .h5, told by content. Operators that can't be converted are listed all at once. Nothing leaves this machine.",
  operands: [
    {
      name: "MODEL",
      help: "a SavedModel or TensorFlow.js folder, a frozen GraphDef (.pb, .pbtxt), or a .keras or .h5 file",
    },
  ],
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
    signature: {
      value: "NAME",
      repeat: true,
      help: "of a SavedModel with several; the file has those that are named",
      byDefault: "all that are served",
    },
    tags: {value: "TAG,TAG", parse: parseTags, help: "of a SavedModel's MetaGraph", byDefault: "serve"},
    ...keepStateFlag,
    "batch-size": {value: "N", parse: wholeNumber(1, 1_000_000), help: "fix the first dimension of each input"},
    quantize: {
      value: "weights|float16|keep",
      parse: parseQuantize,
      help: "weights: int8 weights; float16: float16 weights; keep: int8 arithmetic of fake quantisation",
    },
    "io-type": {
      value: "source|float32|int8|uint8",
      parse: parseIoType,
      help: "of inputs and outputs: the graph's, float32 for all floats, or (with --quantize keep) levels",
      byDefault: "source",
    },
    check: {help: "run the source graph and the result on the same inputs, and report the largest difference"},
    "input-file": {
      value: "FILE",
      repeat: true,
      help: "with --check: inputs as in run, .npz or .npy",
      byDefault: "random numbers",
    },
    tolerance: {
      value: "NUMBER",
      parse: positiveNumber,
      help: "with --check: fail beyond this part of an output's largest value",
      byDefault: "0.001; 0.05 for float16, 0.1 for int8",
    },
    "dump-passes": {value: "DIR", help: "write the graph after each pass as text, a file each"},
  },
  examples: [
    {
      line: "convert fixtures/digits/digits.pb --output-file digits.tflite",
      what: "all inputs and outputs of the graph",
    },
    {
      line: "convert fixtures/digits/digits.pb --output-file digits.tflite --check",
      what: "and compare the result with the source graph on random inputs",
    },
    {
      line: "convert fixtures/digits/digits.pb --output-file digits.tflite --output-name probabilities --input-shape image=1,8,8,1",
      what: "one output, and a fixed shape",
    },
  ],
  async run([path], flags, context) {
    const {print, progress} = context;
    const target = flags["output-file"];
    if (target === undefined) throw new CliError("CLI_USAGE", "convert needs --output-file FILE");
    const ioType = flags["io-type"];
    if ((ioType === "int8" || ioType === "uint8") && flags.quantize !== "keep")
      throw new CliError(
        "CLI_USAGE",
        `--io-type ${ioType} needs --quantize keep: without it there are no levels for inputs and outputs`,
      );
    if (!flags.check && (flags["input-file"].length > 0 || flags.tolerance !== undefined)) {
      throw new CliError("CLI_USAGE", "--input-file and --tolerance are for --check");
    }
    progress.step(`Converting ${path}`);
    const dumps: (readonly [string, string])[] = [];
    const opened = await openModel(
      path!,
      {
        inputNames: flags["input-name"],
        outputNames: flags["output-name"],
        shapes: flags["input-shape"],
        batchSize: flags["batch-size"],
        signature: flags.signature[0],
        signatures: flags.signature,
        tags: flags.tags,
        keepState: flags["keep-state"],
      },
      {
        reference: flags.check === true,
        ...(flags["dump-passes"] !== undefined && {dumpPass: (name, text) => dumps.push([name, text])}),
        ...(flags.quantize !== undefined && {quantize: flags.quantize}),
        ...(ioType !== undefined && {ioType}),
        // The file may be for another engine.
        maxModelBytes: 2 ** 31,
      },
    ).catch(async (error: unknown) => {
      // What a pass made of it is looked at most when it can't be converted.
      await writeDumps(flags["dump-passes"], dumps);
      throw error;
    });
    const {parts, sourceBytes, report, convertMs, inputs, outputs, signatures} = opened;
    const notes = [
      ...report.notes,
      ...(report.modelBytes > defaultLimits.maxModelBytes
        ? [`the enclave's engine takes at most ${formatBytes(defaultLimits.maxModelBytes)}; this file is for others`]
        : []),
    ];
    const dumped = await writeDumps(flags["dump-passes"], dumps);
    await writeOutputFile(target, parts);
    const tolerance = flags.tolerance ?? defaultTolerances[flags.quantize ?? "float32"];
    const check = flags.check === true ? await checkAgainstSource(opened, flags, context) : undefined;
    await print({
      json: {
        model: path!,
        outputFile: target,
        format: report.format,
        sourceBytes,
        modelBytes: report.modelBytes,
        convertMs,
        inputs: inputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
        outputs: outputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
        signatures: signatures.map((each) => ({
          name: each.name,
          inputs: each.inputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
          outputs: each.outputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
        })),
        sourceOperators: report.sourceOperators,
        operators: report.operators,
        changes: report.changes.map(({effect, what, nodes}) => ({effect, what, nodes})),
        notes,
        ...(report.quantisation && {quantisation: quantisationJson(report.quantisation)}),
        dumps: dumped,
        ...(check && {check: checkToJson(check, tolerance)}),
      },
      text: (style, columns) => {
        const sizes = `${formatBytes(sourceBytes)} → ${formatBytes(report.modelBytes)}, in ${formatMs(convertMs)}`;
        const lines = [
          `${style.green("✓")} ${style.bold(target)}  ${style.dim(sizes)}`,
          "",
          ...signatures.flatMap((each) => [
            ...(signatures.length > 1 ? [`${style.bold("signature")}  ${printable(each.name)}`] : []),
            renderPorts(
              [
                {title: "inputs", ports: each.inputs},
                {title: "outputs", ports: each.outputs},
              ],
              style,
              columns,
            ),
            "",
          ]),
          `${style.bold("operators")}  ${listOperators(report.operators)}`,
          ...renderChanges(report.changes, style),
          ...(report.quantisation ? [renderQuantisation(report.quantisation, style)] : []),
          ...notes.map((note) => `${style.yellow("note")} ${printable(note)}`),
          ...(check ? ["", renderCheck(check, tolerance, style)] : []),
          ...(dumped.length > 0 ? [`${style.dim(`${dumped.length} dumps of passes in ${flags["dump-passes"]}`)}`] : []),
        ];
        return `${lines.join("\n")}\n`;
      },
    });
    if (check) refuseDifferences(check, tolerance);
    return exitCodes.done;
  },
});

function quantisationJson({mode, constants, levels, operators}: QuantisationReport): JsonValue {
  const tensors = constants.map(({name, dtype, elements, scales}) => ({name, dtype, elements, scales}));
  return {mode, constants: tensors, levels, operators};
}

/** `quantised  27 constants: 25 int8, 2 int32; operators CONV_2D ×12`. */
function renderQuantisation({constants, operators}: QuantisationReport, style: Style): string {
  const counts = new Map<string, number>();
  for (const {dtype} of constants) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  const kinds = [...counts].map(([dtype, count]) => `${count} ${dtype}`).join(", ");
  const computed = Object.keys(operators).length > 0 ? `; operators ${listOperators(operators)}` : "";
  return `${style.bold("quantised")}  ${constants.length === 0 ? "no constants" : `constants: ${kinds}`}${computed}`;
}

/**
 * Of the largest value of an output: what float32 sums in another order differ by, and far below what a fault does. What
 * quantisation rounds grows from layer to layer; beyond a tenth it is no approximation.
 */
const defaultTolerances = {float32: 1e-3, float16: 0.05, weights: 0.1, keep: 0.1} as const;

/** Of the random inputs: the same for everybody who compares results. */
const randomSeed = 1;

async function checkAgainstSource(
  opened: OpenedModel,
  flags: {readonly "input-file": readonly string[]; readonly "input-name": readonly string[]},
  {progress, note, noteStyle}: Context,
): Promise<CheckResult> {
  const files = await readInputFiles(flags["input-file"]);
  const {tensors, notes} =
    files.length === 0
      ? {tensors: randomInputs(opened.inputs, randomSeed), notes: []}
      : prepareInputs(opened.inputs, files, {inputNames: flags["input-name"], shapes: []});
  for (const text of notes) note(`${noteStyle.yellow("note")} ${printable(text)}`);
  progress.step("Checking");
  return checkModel(opened, tensors);
}

function renderCheck({outputs, engineMs, referenceMs}: CheckResult, tolerance: number, style: Style): string {
  const lines = outputs.map(({name, dtype, shape, largest, relative, at, mismatch}) => {
    const mark = relative <= tolerance ? style.green("✓") : style.red("✗");
    const told =
      mismatch ??
      (largest === 0
        ? "equal"
        : `largest difference ${formatDifference(largest)}, ${formatDifference(relative)} of the largest value, at [${at.join(", ")}]`);
    return `${mark} ${printable(name)} ${style.dim(`${dtype} ${formatShape(shape)}`)}  ${printable(told)}`;
  });
  const times = style.dim(`engine ${formatMs(engineMs)}, reference ${formatMs(referenceMs)}`);
  return [`${style.bold("check")}  ${times}`, ...lines].join("\n");
}

/** JSON has no infinity: null. */
function checkToJson({outputs, engineMs, referenceMs}: CheckResult, tolerance: number) {
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    tolerance,
    engineMs,
    referenceMs,
    outputs: outputs.map(({name, dtype, shape, largest, relative, at, mismatch}) => ({
      name,
      dtype,
      shape,
      largest: finite(largest),
      relative: finite(relative),
      at,
      within: relative <= tolerance,
      ...(mismatch !== undefined && {mismatch}),
    })),
  };
}

const formatDifference = (value: number): string => (Number.isFinite(value) ? value.toPrecision(2) : "infinite");

/** Throws `CLI_CHECK`. */
function refuseDifferences({outputs}: CheckResult, tolerance: number): void {
  const far = outputs.filter(({relative}) => !(relative <= tolerance));
  if (far.length === 0) return;
  const told = far.map(({name, relative, mismatch}) => `"${name}": ${mismatch ?? formatDifference(relative)}`);
  throw new CliError("CLI_CHECK", `outputs beyond ${tolerance} of their largest value: ${told.join("; ")}`, {
    details: {outputs: far.map(({name}) => name), tolerance},
  });
}

/** One line an effect: `fused  4 activations fused, 5 biases fused`. */
function renderChanges(changes: readonly Change[], style: Style): string[] {
  const byEffect = new Map<string, string[]>();
  for (const {effect, what, nodes} of changes) {
    const told = `${nodes.length} × ${what}`;
    byEffect.set(effect, [...(byEffect.get(effect) ?? []), told]);
  }
  return [...byEffect].map(([effect, told]) => `${style.bold(effect)}  ${told.join("; ")}`);
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
