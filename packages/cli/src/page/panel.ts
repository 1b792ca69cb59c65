/** The side of the page: the model's tables, and what is known of the node that is selected. */
import type {GraphView, NodeView, PortStructure} from "@tf-trusted/convert";
import type {PageData} from "../render/model-page.ts";
import {formatCount} from "../render/quantities.ts";
import {categoryOf} from "./categories.ts";
import {button, type Child, html} from "./dom.ts";
import type {Group, Item} from "./scopes.ts";

export interface PanelEvents {
  readonly showNode: (index: number) => void;
  readonly showGraph: (name: string) => void;
  readonly toggle: (group: Group) => void;
  readonly search: (text: string) => void;
}

/** Longer tables say how many rows they leave out. */
const mostRows = 400;

export function shapeText(shape: readonly number[] | null): string {
  return shape === null ? "unknown rank" : `[${shape.map((size) => (size < 0 ? "?" : size)).join(", ")}]`;
}

function section(title: string, ...children: readonly Child[]): HTMLElement {
  return html("section", {}, html("h2", {}, title), ...children);
}

export function table(
  titles: readonly string[],
  rows: readonly (readonly Child[])[],
  total = rows.length,
): HTMLElement {
  const head = titles.some((title) => title !== "")
    ? html("thead", {}, html("tr", {}, ...titles.map((title) => html("th", {}, title))))
    : undefined;
  const shown = rows.slice(0, mostRows);
  const body = html("tbody", {}, ...shown.map((row) => html("tr", {}, ...row.map((cell) => html("td", {}, cell)))));
  const rest = total - shown.length;
  return html(
    "div",
    {class: "table"},
    html("table", {}, head, body),
    rest > 0 ? html("p", {class: "dim"}, `and ${rest} more`) : undefined,
  );
}

const link = (text: string, press: () => void): HTMLElement => button(text, text, press, "link");
const code = (text: string): HTMLElement => html("code", {}, text);

/** Tabs with what they show, made when they are opened. */
export function modelTabs(
  {structure, facts, cutText}: PageData,
  events: PanelEvents,
): ReadonlyMap<string, () => HTMLElement> {
  const {signatures, metaGraphs, variables, layers, functions, assets, operators, controlFlow} = structure;
  const {unsupported, problems, notes, sizes, description} = structure;
  const able = structure.format === "tflite" ? "run" : "converted";
  const ports = (title: string, list: readonly PortStructure[]): Child =>
    list.length === 0
      ? undefined
      : html(
          "div",
          {},
          html("h3", {}, title),
          table(
            ["", "", ""],
            list.map(({name, dtype, shape, quantized}) => [
              code(name),
              dtype,
              `${shapeText(shape)}${quantized ? " quantised" : ""}`,
            ]),
          ),
        );
  const tabs = new Map<string, () => HTMLElement>();
  tabs.set("Model", () =>
    html(
      "div",
      {},
      html("ul", {class: "facts"}, ...facts.map((fact) => html("li", {}, fact))),
      description === "" ? undefined : html("p", {class: "dim"}, description),
      unsupported.length + problems.length === 0
        ? html("p", {class: "verdict good"}, `can be ${able}`)
        : html("p", {class: "verdict bad"}, `can't be ${able} as it is`),
      ...problems.map(({code: own, message, signature}) =>
        html(
          "div",
          {class: "problem"},
          html("strong", {}, own),
          signature === undefined ? undefined : ` in signature ${signature}`,
          html("pre", {}, message),
        ),
      ),
      unsupported.length === 0
        ? undefined
        : section(
            `Unsupported (${unsupported.length})`,
            table(
              ["node", "operator", "why"],
              unsupported
                .slice(0, mostRows)
                .map(({node, operator, reason}) => [link(node, () => events.search(node)), operator, reason]),
              unsupported.length,
            ),
            cutText === "" ? undefined : html("pre", {class: "cut"}, cutText),
          ),
      ...signatures.map(({name, inputs, outputs, stateful}) =>
        section(
          `Signature ${name}`,
          stateful ? html("p", {class: "warn"}, "keeps state between calls") : undefined,
          ports("inputs", inputs),
          ports("outputs", outputs),
        ),
      ),
      metaGraphs.length === 0
        ? undefined
        : section(
            "MetaGraphs",
            table(
              ["tags", "signatures", "nodes"],
              metaGraphs.map(({tags, signatures: own, nodes}) => [tags.join(", "), own.join(", "), String(nodes)]),
            ),
          ),
      section(
        "Sizes",
        table(
          ["", ""],
          Object.entries(sizes).map(([name, size]) => [sizeNames[name] ?? name, formatCount(size)]),
        ),
      ),
      notes.length === 0
        ? undefined
        : section("Notes", html("ul", {}, ...notes.slice(0, mostRows).map((note) => html("li", {}, note)))),
    ),
  );
  if (layers.length > 0) {
    tabs.set("Layers", () =>
      table(
        ["layer", "class", "gives", "parameters"],
        layers
          .slice(0, mostRows)
          .map(({name, className, output, parameters}) => [
            link(name, () => events.search(name)),
            className,
            output === null ? "" : shapeText(output.shape),
            formatCount(parameters),
          ]),
        layers.length,
      ),
    );
  }
  if (Object.keys(operators).length > 0) {
    tabs.set("Operators", () =>
      html(
        "div",
        {},
        countTable(operators, events),
        Object.keys(controlFlow).length === 0 ? undefined : section("Control flow", countTable(controlFlow, events)),
      ),
    );
  }
  if (variables.length > 0) {
    tabs.set("Weights", () =>
      table(
        ["name", "type", "shape"],
        variables.slice(0, mostRows).map(({name, dtype, shape}) => [code(name), dtype, shapeText(shape)]),
        variables.length,
      ),
    );
  }
  if (functions.length > 0) {
    tabs.set("Functions", () =>
      table(
        ["name", "nodes", "in", "out"],
        functions
          .slice(0, mostRows)
          .map(({name, nodes, inputs, outputs}) => [
            link(name, () => events.showGraph(name)),
            String(nodes),
            String(inputs),
            String(outputs),
          ]),
        functions.length,
      ),
    );
  }
  if (assets.length > 0) {
    tabs.set("Assets", () =>
      table(
        ["file", "bytes"],
        assets.slice(0, mostRows).map(({path, bytes}) => [code(path), formatCount(bytes)]),
        assets.length,
      ),
    );
  }
  return tabs;
}

const sizeNames: Readonly<Record<string, string>> = {
  nodes: "nodes in the file",
  liveNodes: "needed, functions inlined",
  constantBytes: "bytes of constants",
  parameters: "parameters",
};

function countTable(counts: Readonly<Record<string, number>>, events: PanelEvents): HTMLElement {
  const rows = Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const most = rows[0]?.[1] ?? 1;
  return table(
    ["", "", ""],
    rows.slice(0, mostRows).map(([name, count]) => {
      const bar = html("meter", {min: "0", max: String(most), value: String(count)});
      return [link(name, () => events.search(name)), String(count), bar];
    }),
    rows.length,
  );
}

/** What is known of an item. */
export function describeItem(item: Item, view: GraphView, events: PanelEvents): HTMLElement {
  return item.kind === "group" ? describeGroup(item, view, events) : describeNode(item.index, view, events);
}

function describeGroup(group: Group, view: GraphView, events: PanelEvents): HTMLElement {
  const counts: Record<string, number> = {};
  const pending: Item[] = [group];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.kind === "group") pending.push(...next.children);
    else {
      const {op} = view.nodes[next.index]!;
      counts[op] = (Object.hasOwn(counts, op) ? counts[op]! : 0) + 1;
    }
  }
  return html(
    "div",
    {class: "node"},
    html("p", {class: "kind"}, `scope of ${group.size} nodes`),
    html("p", {class: "name"}, group.label),
    button(group.open ? "Close" : "Open", "open or close the scope", () => events.toggle(group), "wide"),
    section("Operators", countTable(counts, events)),
  );
}

function describeNode(index: number, view: GraphView, events: PanelEvents): HTMLElement {
  const node: NodeView = view.nodes[index]!;
  const users = view.nodes.flatMap((each, i) => (each.inputs.some(({from}) => from === index) ? [i] : []));
  const reference = (at: number): HTMLElement => {
    const other = view.nodes[at]!;
    return link(other.name, () => events.showNode(at));
  };
  return html(
    "div",
    {class: "node"},
    html("p", {class: `kind ${categoryOf(node.op)}`}, node.op),
    html("p", {class: "name"}, node.name),
    node.unsupported === undefined ? undefined : html("p", {class: "problem"}, node.unsupported),
    node.inputs.length === 0
      ? undefined
      : section(
          "Takes",
          table(
            ["", ""],
            node.inputs.map(({from, label = "", constant, output = 0}) =>
              constant === undefined
                ? [from >= 0 ? reference(from) : "not shown", view.nodes[from]?.outputs[output] ?? ""]
                : [code(label), constant],
            ),
          ),
        ),
    node.outputs.length === 0
      ? undefined
      : section(
          "Gives",
          table(
            ["", ""],
            node.outputs.map((type, i) => [String(i), type]),
          ),
        ),
    users.length === 0
      ? undefined
      : section(
          "Used by",
          table(
            ["", ""],
            users.slice(0, mostRows).map((at) => [reference(at), view.nodes[at]!.op]),
            users.length,
          ),
        ),
    node.attributes.length === 0
      ? undefined
      : section(
          "Attributes",
          table(
            ["", ""],
            node.attributes.map(([name, value]) => [code(name), value]),
          ),
        ),
    node.graphs === undefined
      ? undefined
      : section(
          "Runs",
          html(
            "ul",
            {},
            ...node.graphs.map((name) =>
              html(
                "li",
                {},
                link(name, () => events.showGraph(name)),
              ),
            ),
          ),
        ),
  );
}
