/** What `inspect` found, as text: the same blocks for every format, without those that have nothing to say. */
import {describeCut, type ModelKind, type ModelStructure, type PortStructure} from "@tf-trusted/convert";
import type {JsonValue} from "@tf-trusted/core";
import type {Port} from "../model/open-model.ts";
import {renderPorts} from "./ports.ts";
import {formatBytes, formatCount, formatShape} from "./quantities.ts";
import {printable, type Style} from "./style.ts";
import {type Column, renderTable} from "./table.ts";

export const formatNames: Readonly<Record<ModelKind, string>> = {
  graphdef: "frozen TensorFlow graph",
  "graphdef-text": "frozen TensorFlow graph, text form",
  "saved-model": "SavedModel",
  keras: "Keras model (.keras)",
  h5: "Keras model (.h5)",
  tfjs: "TensorFlow.js graph model",
  "tfjs-layers": "TensorFlow.js layers model",
  tflite: "TensorFlow Lite",
};

/** The document of `--json`: described in docs/convert.md. */
export const structureToJson = (structure: ModelStructure): {readonly [key: string]: JsonValue} =>
  structure as unknown as {readonly [key: string]: JsonValue};

/** What matters of a model in a few words: kind, size, numbers of its parts. */
export function factsOf({format, fileBytes, sizes, layers, functions, variables}: ModelStructure): readonly string[] {
  const {nodes, liveNodes, parameters} = sizes;
  const unit = format === "tflite" ? "operators" : "nodes";
  return [
    formatNames[format],
    formatBytes(fileBytes),
    ...(layers.length > 0
      ? [`${formatCount(layers.length)} layers`]
      : [`${formatCount(nodes)} ${unit}${liveNodes >= nodes ? "" : `, ${formatCount(liveNodes)} needed`}`]),
    ...(functions.length > 0
      ? [`${formatCount(functions.length)} ${format === "tflite" ? "subgraphs" : "functions"}`]
      : []),
    ...(variables.length > 0 ? [`${formatCount(variables.length)} variables`] : []),
    ...(parameters > 0 ? [`${formatCount(parameters)} parameters`] : []),
  ];
}

export function renderStructure(path: string, structure: ModelStructure, style: Style, columns: number): string {
  const {signatures, metaGraphs, layers, variables, functions, assets, operators, controlFlow, sizes} = structure;
  const table = (titles: readonly Column[], rows: readonly (readonly string[])[]): string =>
    rows.length === 0
      ? ""
      : [
          renderTable(
            titles,
            rows.slice(0, mostShown).map((row) => row.map(printable)),
            style,
            columns,
          ),
          ...more(rows.length),
        ].join("\n");
  const count = (title: string, counts: Readonly<Record<string, number>>): string =>
    renderCounts(title, counts, style, columns);
  const flow = Object.entries(controlFlow).map(([name, number]) => `${printable(name)} ×${number}`);
  const blocks = [
    `${style.bold(path)}  ${style.dim(factsOf(structure).join(", "))}`,
    ...metaGraphs.map(
      ({tags, nodes}) => `${style.bold("MetaGraph")}  {${tags.map(printable).join(", ")}}  ${formatCount(nodes)} nodes`,
    ),
    ...signatures.map(({name, inputs, outputs, stateful}) =>
      [
        `${style.bold("signature")}  ${printable(name)}${stateful ? style.yellow("  keeps state between calls") : ""}`,
        renderPorts(
          [
            {title: "inputs", ports: inputs.map(toPort)},
            {title: "outputs", ports: outputs.map(toPort)},
          ],
          style,
          columns,
        ),
      ].join("\n"),
    ),
    table(
      [{title: "layer"}, {title: "class"}, {title: "gives"}, {title: "parameters", align: "right"}],
      layers.map(({name, className, output, parameters}) => [
        name,
        className,
        output === null ? "" : `${output.dtype} ${formatShape(output.shape)}`,
        formatCount(parameters),
      ]),
    ),
    layers.length > mostShown ? count("layers of the class", structure.layerClasses) : "",
    count("operator", operators),
    layers.length > 0
      ? ""
      : table(
          [{title: "variable"}, {title: "type"}, {title: "shape"}],
          variables.map(({name, dtype, shape}) => [name, dtype, formatShape(shape)]),
        ),
    functions.length > 1 || structure.format !== "tflite"
      ? table(
          [
            {title: structure.format === "tflite" ? "subgraph" : "function"},
            {title: "nodes", align: "right"},
            {title: "inputs", align: "right"},
            {title: "outputs", align: "right"},
          ],
          functions.map(({name, nodes, inputs, outputs}) => [name, String(nodes), String(inputs), String(outputs)]),
        )
      : "",
    table(
      [{title: "asset"}, {title: "size", align: "right"}],
      assets.map(({path: own, bytes}) => [own, formatBytes(bytes)]),
    ),
    flow.length === 0 ? "" : `${style.bold("control flow")}  ${flow.join(", ")}`,
    `${style.bold("constants")}  ${formatBytes(sizes.constantBytes)}`,
    renderVerdict(structure, style, columns),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function renderVerdict(
  {format, unsupported, problems, cut, notes}: ModelStructure,
  style: Style,
  columns: number,
): string {
  const able = format === "tflite" ? "run" : "converted";
  const lines: string[] = [];
  if (unsupported.length === 0 && problems.length === 0) lines.push(`${style.green("✓")} can be ${able}`);
  if (unsupported.length > 0) {
    const rows = unsupported.map(({node, operator, reason}) => [node, operator, reason]);
    lines.push(
      `${style.red("✗")} ${formatCount(rows.length)} ${rows.length === 1 ? "node" : "nodes"} can't be ${able}`,
      renderTable(
        [{title: "node"}, {title: "operator"}, {title: "reason"}],
        rows.slice(0, mostShown).map((row) => row.map(printable)),
        style,
        columns,
      ),
      ...more(rows.length),
    );
  }
  for (const {code, message, signature} of problems.slice(0, mostShown)) {
    const where = signature === undefined ? "" : `signature ${printable(signature)}: `;
    lines.push(`${style.red("✗")} ${where}${code}: ${message.split("\n").map(printable).join("\n  ")}`);
  }
  lines.push(...more(problems.length));
  if (cut !== null) lines.push(printable(describeCut(cut)));
  lines.push(...notes.map((note) => `${style.yellow("note")} ${printable(note)}`));
  return lines.join("\n");
}

const mostShown = 30;

function more(count: number): readonly string[] {
  return count > mostShown ? [`and ${count - mostShown} more (all of them with --json)`] : [];
}

const toPort = ({name, dtype, shape, quantized}: PortStructure): Port => ({name, dtype, shape: shape ?? [], quantized});

function renderCounts(title: string, counts: Readonly<Record<string, number>>, style: Style, columns: number): string {
  const rows = Object.entries(counts)
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([name, number]) => [printable(name), formatCount(number)]);
  if (rows.length === 0) return "";
  return renderTable([{title}, {title: "count", align: "right"}], rows, style, columns);
}
