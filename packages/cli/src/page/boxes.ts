/** What a box says, how large that makes it, and its drawing. */
import type {GraphView, NodeView} from "@tf-trusted/convert";
import {categoryOf} from "./categories.ts";
import {svg} from "./dom.ts";
import type {Placed, Size} from "./layout.ts";
import type {Group, Item} from "./scopes.ts";

export interface Box extends Size {
  readonly item: Item;
  readonly title: string;
  readonly lines: readonly string[];
  readonly category: string;
  readonly unsupported: boolean;
  /** Whether the node runs graphs of its own. */
  readonly runs: boolean;
}

const context = document.createElement("canvas").getContext("2d")!;
const fonts = {title: "600 12.5px system-ui, sans-serif", line: "11px system-ui, sans-serif"};
const measured = new Map<string, number>();

export function textWidth(text: string, font: keyof typeof fonts): number {
  const key = font + text;
  let width = measured.get(key);
  if (width === undefined) {
    context.font = fonts[font];
    width = context.measureText(text).width;
    measured.set(key, width);
  }
  return width;
}

const headerHeight = 26;
const lineHeight = 16;
const widest = 230;

/** The beginning and the end, as both tell nodes apart. */
export function shorten(text: string, most = 30): string {
  if (text.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return `${text.slice(0, most - 1 - tail)}…${text.slice(text.length - tail)}`;
}

/** `float32 [?, 8, 8, 1] = …` → `?×8×8×1`. */
export function shapeOf(type: string): string {
  const found = /^\S+ \[([^\]]*)\]/.exec(type);
  if (found === null) return type;
  return found[1] === "" ? "scalar" : found[1]!.replaceAll(", ", "×");
}

export function boxOf(item: Item, view: GraphView): Box {
  const {title, lines, category, unsupported, runs} =
    item.kind === "group" ? ofGroup(item, view) : ofNode(view.nodes[item.index]!, item.label);
  const width = Math.max(
    textWidth(title, "title") + (item.kind === "group" ? 54 : 28),
    ...lines.map((line) => textWidth(line, "line") + 24),
    64,
  );
  return {
    item,
    title,
    lines,
    category,
    unsupported,
    runs,
    width: Math.min(widest, Math.ceil(width)),
    height: headerHeight + (lines.length > 0 ? lines.length * lineHeight + 8 : 0),
  };
}

type Content = Omit<Box, "item" | keyof Size>;

function ofNode(node: NodeView, label: string): Content {
  const constants = node.inputs.filter(({constant}) => constant !== undefined);
  const category = categoryOf(node.op);
  if (category === "port") {
    const type = node.outputs[0] ?? "";
    return {
      title: shorten(node.name),
      lines: type === "" ? [] : [shorten(type, 34)],
      category,
      unsupported: false,
      runs: false,
    };
  }
  const shown = constants
    .slice(0, 3)
    .map(({label: own = "", constant = ""}) => shorten(`${shorten(own, 14)} ${constantText(constant)}`.trim(), 32));
  return {
    title: shorten(node.op, 26),
    lines: [
      ...(label === "" || label === node.op ? [] : [shorten(label)]),
      ...shown,
      ...(constants.length > 3 ? [`and ${constants.length - 3} constants`] : []),
    ],
    category,
    unsupported: node.unsupported !== undefined,
    runs: node.graphs !== undefined,
  };
}

/** A shape, or the value of a single number. */
function constantText(constant: string): string {
  const value = / \[\] = (.*)$/.exec(constant)?.[1];
  return value === undefined ? `⟨${shapeOf(constant)}⟩` : `= ${value}`;
}

/** The operators that are most in it. */
function ofGroup(group: Group, view: GraphView): Content {
  const counts = new Map<string, number>();
  const visit = (each: Group): void => {
    for (const child of each.children) {
      if (child.kind === "group") visit(child);
      else {
        const {op} = view.nodes[child.index]!;
        counts.set(op, (counts.get(op) ?? 0) + 1);
      }
    }
  };
  visit(group);
  const top = [...counts].sort(([, a], [, b]) => b - a).slice(0, 3);
  return {
    title: shorten(group.label, 22),
    lines: top
      .map(([op, count]) => shorten(count > 1 ? `${op} ×${count}` : op))
      .concat(counts.size > 3 ? [`${group.size} nodes`] : []),
    category: "group",
    unsupported: group.unsupported > 0,
    runs: false,
  };
}

/** `toggle` opens a group. */
export function drawBox(box: Box, {x, y}: Placed, toggle: () => void): SVGGElement {
  const {width, height, title, lines, category, item} = box;
  const [left, top] = [x - width / 2, y - height / 2];
  const isGroup = item.kind === "group";
  const element = svg("g", {
    class: `box ${category}${box.unsupported ? " unsupported" : ""}`,
    transform: `translate(${left.toFixed(1)} ${top.toFixed(1)})`,
    tabindex: 0,
    role: "button",
  });
  element.setAttribute("aria-label", [title, ...lines].join(", "));
  if (isGroup) element.append(svg("rect", {class: "shadow", x: 5, y: 5, width, height, rx: 9}));
  const round = category === "port" ? Math.min(height / 2, 16) : 8;
  element.append(svg("rect", {class: "body", width, height, rx: round}));
  if (category !== "port")
    element.append(
      svg("path", {class: "head", d: headPath(width, lines.length > 0 ? headerHeight : height, lines.length > 0)}),
    );
  const middle = isGroup ? (width - 22) / 2 : width / 2;
  element.append(svg("text", {class: "title", x: middle, y: 17}, title));
  lines.forEach((line, i) => {
    element.append(
      svg("text", {class: i === 0 ? "line first" : "line", x: width / 2, y: headerHeight + 15 + i * lineHeight}, line),
    );
  });
  if (isGroup) {
    const sign = svg(
      "g",
      {class: "sign", transform: `translate(${width - 24} 4)`},
      svg("rect", {width: 18, height: 18, rx: 5}),
      svg("path", {d: "M5 9h8M9 5v8"}),
    );
    sign.addEventListener("click", (event) => {
      event.stopPropagation();
      toggle();
    });
    element.append(sign);
  }
  if (box.runs) element.append(svg("path", {class: "runs", d: `M${width - 20} ${height - 12}a5 5 0 1 0 5 -5`}));
  if (box.unsupported)
    element.append(
      svg("circle", {class: "badge", cx: 0, cy: 0, r: 8}),
      svg("path", {class: "cross", d: "M-3 -3L3 3M3 -3L-3 3"}),
    );
  return element;
}

function headPath(width: number, height: number, open: boolean): string {
  const bottom = open ? `V${height}H0` : `V${height - 8}a8 8 0 0 1 -8 8H8a8 8 0 0 1 -8 -8`;
  return `M0 8a8 8 0 0 1 8 -8H${width - 8}a8 8 0 0 1 8 8${bottom}Z`;
}

/** The frame of an open group; its place has room for the caption at the top. */
export function drawFrame(group: Group, {x, y, width, height}: Placed, toggle: () => void): SVGGElement {
  const sign = svg(
    "g",
    {class: "sign", transform: "translate(7 6)", tabindex: 0, role: "button", "aria-label": `close ${group.label}`},
    svg("rect", {width: 17, height: 17, rx: 5}),
    svg("path", {d: "M4.5 8.5h8"}),
  );
  sign.addEventListener("click", (event) => {
    event.stopPropagation();
    toggle();
  });
  const caption = shorten(group.label, Math.max(8, Math.floor((width - 40) / 7)));
  return svg(
    "g",
    {class: "frame", transform: `translate(${(x - width / 2).toFixed(1)} ${(y - height / 2).toFixed(1)})`},
    svg("rect", {class: "area", width, height, rx: 12}),
    svg("text", {class: "caption", x: 31, y: 19}, caption),
    sign,
  );
}
