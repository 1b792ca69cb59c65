/** `tf-trusted inspect`: what is in a model file. Works on this machine only; nothing is started or sent. */
import {
  type Cut,
  describeCut,
  type GraphStructure,
  inspectGraph,
  inspectKeras,
  inspectSavedModel,
  inspectTfjs,
  type KerasStructure,
  type SavedModelStructure,
} from "@tf-trusted/convert";
import type {JsonValue} from "@tf-trusted/core";
import {admitModel, defaultLimits} from "@tf-trusted/litert";
import {admitOperators, checkModel, declaredShape, readModel, type TfliteModel} from "@tf-trusted/tflite";
import {defineCommand, type Outcome} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {type Port, recognisePath, toPort} from "../model/open-model.ts";
import {renderPorts} from "../render/ports.ts";
import {formatBytes, formatCount} from "../render/quantities.ts";
import {printable, type Style} from "../render/style.ts";
import {renderTable} from "../render/table.ts";

export const inspectCommand = defineCommand({
  name: "inspect",
  summary: "Show a model's inputs, outputs, operators and sizes",
  description:
    "Reads SavedModel and TensorFlow.js folders (also zipped), .pb, .pbtxt, .keras, .h5 and .tflite, told by content. Says what could not be converted or run, and why.",
  operands: [
    {
      name: "MODEL",
      help: "a SavedModel or TensorFlow.js folder, a frozen GraphDef (.pb, .pbtxt), a .keras, .h5 or .tflite file",
    },
  ],
  flags: {
    "output-name": {value: "NAME", repeat: true, help: "look only at what this output of a graph needs"},
  },
  examples: [{line: "inspect fixtures/digits/digits.pb", what: "a frozen graph"}],
  async run([path], flags, {print, progress}) {
    progress.step(`Reading ${path}`);
    const outputs = flags["output-name"];
    const options = outputs.length > 0 ? {outputs} : {};
    await print(await describeModel(path!, options));
    return exitCodes.done;
  },
});

async function describeModel(path: string, options: {readonly outputs?: readonly string[]}): Promise<Outcome> {
  const source = await recognisePath(path);
  switch (source.kind) {
    case "saved-model":
      return describeSavedModel(path, await inspectSavedModel(source.files));
    case "tfjs": {
      const sizes = await Promise.all(source.files.paths.map((file) => source.files.size(file)));
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      return describeGraph(path, bytes, await inspectTfjs(source.files, options));
    }
    case "tflite":
      return describeTflite(path, source.bytes);
    case "keras":
      return describeKeras(path, source.bytes.length, inspectKeras(source.bytes));
    default:
      return describeGraph(path, source.bytes.length, inspectGraph(source.bytes, options));
  }
}

const formats = {
  graphdef: "frozen TensorFlow graph",
  "graphdef-text": "frozen TensorFlow graph, text form",
  tfjs: "TensorFlow.js graph model",
} as const;

function describeGraph(path: string, fileBytes: number, structure: GraphStructure): Outcome {
  const {format, nodes, liveNodes, inputs, outputs, operators, constantBytes, unsupported, cut, controlFlow, notes} =
    structure;
  const ports = (list: GraphStructure["inputs"]): readonly Port[] =>
    list.map(({name, dtype, shape}) => ({name, dtype, shape: shape ?? []}));
  return {
    json: {
      model: path,
      format,
      fileBytes,
      nodes,
      liveNodes,
      constantBytes,
      inputs: inputs.map(({name, dtype, shape}) => ({name, dtype, shape: shape ?? null})),
      outputs: outputs.map(({name, dtype, shape}) => ({name, dtype, shape: shape ?? null})),
      operators,
      controlFlow,
      unsupported: unsupported.map(({node, operator, reason}) => ({node, operator, reason})),
      cut: cut === undefined ? null : cutToJson(cut),
      notes,
    },
    text: (style, columns) => {
      const facts = [
        formats[format],
        formatBytes(fileBytes),
        `${formatCount(nodes)} nodes, ${formatCount(liveNodes)} needed`,
      ];
      const verdict =
        unsupported.length === 0
          ? [`${style.green("✓")} can be converted`]
          : [
              `${style.red("✗")} ${unsupported.length} nodes can't be converted`,
              renderTable(
                [{title: "node"}, {title: "operator"}, {title: "reason"}],
                unsupported
                  .slice(0, mostShown)
                  .map((it) => [printable(it.node), printable(it.operator), printable(it.reason)]),
                style,
                columns,
              ),
              ...more(unsupported.length),
              ...(cut ? [printable(describeCut(cut))] : []),
            ];
      const flow = Object.entries(controlFlow).map(([name, count]) => `${printable(name)} ×${count}`);
      return page([
        heading(path, facts, style),
        renderPorts(
          [
            {title: "inputs", ports: ports(inputs)},
            {title: "outputs", ports: ports(outputs)},
          ],
          style,
          columns,
        ),
        operatorTable(operators, style, columns),
        flow.length === 0 ? "" : `${style.bold("control flow")}  ${flow.join(", ")}`,
        `${style.bold("constants")}  ${formatBytes(constantBytes)}`,
        [...verdict, ...notes.map((note) => `${style.yellow("note")} ${printable(note)}`)].join("\n"),
      ]);
    },
  };
}

function cutToJson({inputs = [], outputs = [], operators}: Cut): JsonValue {
  return {inputs: inputs.map(({name, shape}) => ({name, ...(shape && {shape})})), outputs, operators};
}

function describeKeras(path: string, fileBytes: number, {format, inputs, outputs, layers}: KerasStructure): Outcome {
  const total = Object.values(layers).reduce((sum, count) => sum + count, 0);
  return {
    json: {
      model: path,
      format,
      fileBytes,
      inputs: inputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
      outputs,
      layers,
    },
    text: (style, columns) =>
      page([
        heading(path, [`Keras model (.${format})`, formatBytes(fileBytes), `${formatCount(total)} layers`], style),
        renderPorts([{title: "inputs", ports: inputs}], style, columns),
        `${style.bold("outputs")}  ${outputs.map(printable).join(", ")}`,
        renderTable(
          [{title: "layer"}, {title: "count", align: "right"}],
          Object.entries(layers).map(([name, count]) => [printable(name), formatCount(count)]),
          style,
          columns,
        ),
      ]),
  };
}

function describeSavedModel(path: string, {metaGraphs, variables, assets}: SavedModelStructure): Outcome {
  type Ports = SavedModelStructure["metaGraphs"][number]["signatures"][number]["inputs"];
  const ports = (list: Ports): readonly Port[] =>
    list.map(({name, dtype, shape}) => ({name, dtype, shape: shape ?? []}));
  const elements = variables.reduce((sum, {shape}) => sum + shape.reduce((product, dim) => product * dim, 1), 0);
  const portJson = ({name, dtype, shape}: Ports[number]): JsonValue => ({name, dtype, shape: shape ?? null});
  return {
    json: {
      model: path,
      format: "saved-model",
      metaGraphs: metaGraphs.map(({tags, signatures, operators, functions}) => ({
        tags,
        functions,
        operators,
        signatures: signatures.map(({name, inputs, outputs}) => ({
          name,
          inputs: inputs.map(portJson),
          outputs: outputs.map(portJson),
        })),
      })),
      variables: variables.map(({name, dtype, shape}) => ({name, dtype, shape})),
      assets,
    },
    text: (style, columns) =>
      page([
        heading(
          path,
          ["SavedModel", `${formatCount(variables.length)} variables, ${formatCount(elements)} elements`],
          style,
        ),
        ...metaGraphs.flatMap(({tags, signatures, operators, functions}) => [
          `${style.bold("MetaGraph")}  {${tags.map(printable).join(", ")}}  ${formatCount(functions)} functions`,
          ...signatures.map(({name, inputs, outputs}) =>
            [
              `${style.bold("signature")}  ${printable(name)}`,
              renderPorts(
                [
                  {title: "inputs", ports: ports(inputs)},
                  {title: "outputs", ports: ports(outputs)},
                ],
                style,
                columns,
              ),
            ].join("\n"),
          ),
          operatorTable(operators, style, columns),
        ]),
        variables.length === 0
          ? ""
          : renderTable(
              [{title: "variable"}, {title: "type"}, {title: "shape"}],
              variables
                .slice(0, mostShown)
                .map(({name, dtype, shape}) => [printable(name), dtype, `[${shape.join(", ")}]`]),
              style,
              columns,
            ),
        ...more(variables.length),
        assets.length === 0 ? "" : `${style.bold("assets")}  ${assets.map(printable).join(", ")}`,
      ]),
  };
}

function describeTflite(path: string, bytes: Uint8Array): Outcome {
  const model = readModel(bytes);
  const problems = [...checkModel(model), ...admitOperators(model, "wasm")].map(({code, message}) => ({code, message}));
  // What can't be admitted has no reliable signatures; its tables are shown all the same.
  const signatures =
    problems.length > 0
      ? []
      : admitModel(bytes, defaultLimits, "wasm").signatures.map(({name, inputs, outputs, stateful}) => ({
          name,
          inputs: inputs.map(toPort),
          outputs: outputs.map(toPort),
          stateful,
        }));
  const operators = countOperators(model);
  const tensors = model.subgraphs.reduce((sum, graph) => sum + graph.tensors.length, 0);
  const bufferBytes = model.buffers.reduce((sum, buffer) => sum + buffer.length, 0);
  const portJson = ({name, dtype, shape, quantized}: Port): JsonValue => ({
    name,
    dtype,
    shape,
    quantized: quantized === true,
  });
  return {
    json: {
      model: path,
      format: "tflite",
      fileBytes: bytes.length,
      description: model.description,
      subgraphs: model.subgraphs.map(({name, tensors, operators, inputs, outputs}) => ({
        name,
        tensors: tensors.length,
        operators: operators.length,
        inputs: inputs.map((index) => tensorJson(tensors[index])),
        outputs: outputs.map((index) => tensorJson(tensors[index])),
      })),
      constantBytes: bufferBytes,
      signatures: signatures.map(({name, inputs, outputs, stateful}) => ({
        name,
        stateful,
        inputs: inputs.map(portJson),
        outputs: outputs.map(portJson),
      })),
      operators,
      problems,
    },
    text: (style, columns) => {
      const facts = [
        "TensorFlow Lite",
        formatBytes(bytes.length),
        `${model.subgraphs.length === 1 ? "1 graph" : `${model.subgraphs.length} graphs`}, ${formatCount(tensors)} tensors`,
      ];
      const verdict =
        problems.length === 0
          ? [`${style.green("✓")} can be run`]
          : [
              `${style.red("✗")} can't be run`,
              renderTable(
                [{title: "code"}, {title: "problem"}],
                problems.slice(0, mostShown).map(({code, message}) => [code, printable(message)]),
                style,
                columns,
              ),
              ...more(problems.length),
            ];
      return page([
        heading(path, facts, style),
        ...signatures.map(({name, inputs, outputs, stateful}) =>
          [
            `${style.bold("signature")}  ${printable(name)}${stateful ? style.yellow("  keeps state between calls") : ""}`,
            renderPorts(
              [
                {title: "inputs", ports: inputs},
                {title: "outputs", ports: outputs},
              ],
              style,
              columns,
            ),
          ].join("\n"),
        ),
        operatorTable(operators, style, columns),
        `${style.bold("constants")}  ${formatBytes(bufferBytes)}`,
        verdict.join("\n"),
      ]);
    },
  };
}

const mostShown = 30;

function more(count: number): readonly string[] {
  return count > mostShown ? [`and ${count - mostShown} more (all of them with --json)`] : [];
}

function heading(path: string, facts: readonly string[], style: Style): string {
  return `${style.bold(path)}  ${style.dim(facts.join(", "))}`;
}

function page(blocks: readonly string[]): string {
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function operatorTable(operators: Readonly<Record<string, number>>, style: Style, columns: number): string {
  const rows = Object.entries(operators)
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([name, count]) => [printable(name), String(count)]);
  if (rows.length === 0) return "";
  return renderTable([{title: "operator"}, {title: "nodes", align: "right"}], rows, style, columns);
}

/** `CONV_2D 3`, custom operators by their own name. */
function countOperators(model: TfliteModel): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const {operators} of model.subgraphs) {
    for (const {opcodeIndex} of operators) {
      const code = model.operatorCodes[opcodeIndex];
      if (code === undefined) continue;
      const name = code.builtin === "CUSTOM" ? `CUSTOM ${code.customCode ?? ""}`.trim() : code.builtin;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return Object.fromEntries(counts);
}

function tensorJson(tensor: TfliteModel["subgraphs"][number]["tensors"][number] | undefined): JsonValue {
  return tensor === undefined ? null : {name: tensor.name, dtype: tensor.type, shape: declaredShape(tensor)};
}
