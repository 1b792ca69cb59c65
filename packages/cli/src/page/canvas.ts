/** The drawing: boxes, frames and lines of a view, with zoom and pan. */
import type {GraphView} from "@tf-trusted/convert";
import {type Box, boxOf, drawBox, drawFrame, shapeOf, shorten, textWidth} from "./boxes.ts";
import {svg} from "./dom.ts";
import {type Line, type Point, placeBoxes, type Size} from "./layout.ts";
import {drawnFor, drawnIn, type Group, type Item, mostDrawn, type Scopes} from "./scopes.ts";

export interface CanvasEvents {
  readonly select: (item: Item | undefined) => void;
  readonly toggle: (group: Group) => void;
}

/** Texts on more lines than these would hide the graph. */
const mostLabels = 220;

interface DrawnLine {
  readonly from: string;
  readonly to: string;
  readonly element: SVGGElement;
}

export class Canvas {
  readonly element: SVGSVGElement;
  readonly #stage: SVGGElement;
  readonly #events: CanvasEvents;
  #lines: readonly DrawnLine[] = [];
  #boxes = new Map<string, {readonly element: SVGGElement; readonly x: number; readonly y: number}>();
  #size: Size = {width: 1, height: 1};
  #at = {x: 0, y: 0, scale: 1};

  constructor(events: CanvasEvents) {
    this.#events = events;
    this.#stage = svg("g", {});
    const marker = svg(
      "marker",
      {
        id: "arrow",
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        markerUnits: "userSpaceOnUse",
        orient: "auto",
      },
      svg("path", {class: "arrow", d: "M0 0.8L7.2 4L0 7.2Z"}),
    );
    this.element = svg(
      "svg",
      {class: "canvas", tabindex: 0, "aria-label": "the graph"},
      svg("defs", {}, marker),
      this.#stage,
    );
    this.#listen();
  }

  draw(view: GraphView, {root, leaves}: Scopes): void {
    const {boxes: items, frames} = drawnIn(root);
    const boxes = new Map<string, Box>(items.map((item) => [item.id, boxOf(item, view)]));
    const parents = new Map(
      [...items, ...frames].flatMap((item) =>
        item.parent === undefined || item.parent === root ? [] : [[item.id, item.parent.id] as const],
      ),
    );
    const wanted = linesOf(view, leaves);
    const labelled = wanted.length <= mostLabels;
    const lines = wanted.map((line): Line & {readonly text: string} => {
      const text = labelled ? line.text : "";
      return {...line, text, label: text === "" ? undefined : {width: textWidth(text, "line") + 10, height: 15}};
    });
    const placed = placeBoxes(
      boxes,
      frames.map(({id}) => id),
      parents,
      lines,
    );
    this.#size = placed;
    this.#boxes = new Map();
    const frameLayer = svg("g", {class: "frames"});
    for (const frame of frames)
      frameLayer.append(drawFrame(frame, placed.boxes.get(frame.id)!, () => this.#events.toggle(frame)));
    const lineLayer = svg("g", {class: "lines"});
    this.#lines = lines.map(({from, to, text, weight}, i) => {
      const {points, label} = placed.lines[i]!;
      const path = svg("path", {
        d: curve(points),
        "marker-end": "url(#arrow)",
        "stroke-width": Math.min(3.5, 1.2 + Math.log2(weight) * 0.5).toFixed(2),
      });
      const element = svg("g", {class: "line-group"}, path);
      if (label !== undefined && text !== "") element.append(svg("text", {x: label.x, y: label.y + 4}, text));
      lineLayer.append(element);
      return {from, to, element};
    });
    const boxLayer = svg("g", {class: "boxes"});
    for (const [id, box] of boxes) {
      const place = placed.boxes.get(id)!;
      const {item} = box;
      const toggle = (): void => {
        if (item.kind === "group") this.#events.toggle(item);
      };
      const element = drawBox(box, place, toggle);
      element.dataset.id = id;
      element.addEventListener("click", (event) => {
        event.stopPropagation();
        this.#events.select(item);
      });
      element.addEventListener("dblclick", toggle);
      element.addEventListener("keydown", (event) => {
        if (event.key === " ") this.#events.select(item);
        else if (event.key !== "Enter") return;
        else if (item.kind === "group") toggle();
        else this.#events.select(item);
        event.preventDefault();
      });
      boxLayer.append(element);
      this.#boxes.set(id, {element, x: place.x, y: place.y});
    }
    this.#stage.replaceChildren(frameLayer, lineLayer, boxLayer);
  }

  /** Marks an item and what it is connected to. */
  mark(item: Item | undefined): void {
    const id = item === undefined ? undefined : drawnFor(item).id;
    this.element.classList.toggle("marking", id !== undefined);
    for (const [own, {element}] of this.#boxes) element.classList.toggle("selected", own === id);
    const near = new Set<string>();
    for (const {from, to, element} of this.#lines) {
      const [comes, goes] = [to === id, from === id];
      element.classList.toggle("comes", comes);
      element.classList.toggle("goes", goes);
      if (comes) near.add(from);
      if (goes) near.add(to);
    }
    for (const [own, {element}] of this.#boxes) element.classList.toggle("near", near.has(own));
  }

  /** All of it, but not larger than it is. */
  fit(): void {
    const {clientWidth, clientHeight} = this.element;
    const scale = Math.min(1.1, clientWidth / this.#size.width, clientHeight / this.#size.height);
    // What would be too small to read begins at its top.
    const readable = Math.max(scale, 0.6);
    const [first] = [...this.#boxes.values()].sort((a, b) => a.y - b.y);
    const wide = this.#size.width * readable;
    // What is wider than the screen begins at its first box, without empty room beside it.
    const x =
      wide <= clientWidth
        ? (clientWidth - wide) / 2
        : Math.min(8, Math.max(clientWidth - wide - 8, clientWidth / 2 - (first?.x ?? 0) * readable));
    this.#at = {
      scale: readable,
      x,
      y: readable > scale ? 8 : (clientHeight - this.#size.height * readable) / 2,
    };
    this.#apply();
  }

  /** Everything, however small. */
  overview(): void {
    const {clientWidth, clientHeight} = this.element;
    const scale = Math.min(1.1, clientWidth / this.#size.width, clientHeight / this.#size.height);
    this.#at = {
      scale,
      x: (clientWidth - this.#size.width * scale) / 2,
      y: (clientHeight - this.#size.height * scale) / 2,
    };
    this.#apply();
  }

  center(item: Item): void {
    const found = this.#boxes.get(drawnFor(item).id);
    if (found === undefined) return;
    const scale = Math.max(this.#at.scale, 0.8);
    this.#at = {
      scale,
      x: this.element.clientWidth / 2 - found.x * scale,
      y: this.element.clientHeight / 2 - found.y * scale,
    };
    this.#apply();
  }

  /** Where an item is on the screen, so that it can stay there. */
  anchor(item: Item): Point | undefined {
    const found = this.#boxes.get(drawnFor(item).id);
    return found && {x: found.x * this.#at.scale + this.#at.x, y: found.y * this.#at.scale + this.#at.y};
  }

  /** Moves the drawing so that a box that was opened or closed stays where it was clicked. */
  keep(items: readonly Item[], anchor: Point | undefined): void {
    const found = items.flatMap((item) => this.#boxes.get(drawnFor(item).id) ?? []);
    if (found.length === 0 || anchor === undefined) return;
    const x = found.reduce((sum, each) => sum + each.x, 0) / found.length;
    const y = Math.min(...found.map((each) => each.y));
    this.#at = {...this.#at, x: anchor.x - x * this.#at.scale, y: anchor.y - y * this.#at.scale};
    this.#apply();
  }

  zoom(factor: number, x = this.element.clientWidth / 2, y = this.element.clientHeight / 2): void {
    const scale = Math.min(4, Math.max(0.02, this.#at.scale * factor));
    const ratio = scale / this.#at.scale;
    this.#at = {scale, x: x - (x - this.#at.x) * ratio, y: y - (y - this.#at.y) * ratio};
    this.#apply();
  }

  #apply(): void {
    const {x, y, scale} = this.#at;
    this.#stage.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${scale.toFixed(4)})`);
  }

  #listen(): void {
    const {element} = this;
    element.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const {left, top} = element.getBoundingClientRect();
        const step = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : 1);
        this.zoom(Math.exp(-Math.max(-240, Math.min(240, step)) * 0.0022), event.clientX - left, event.clientY - top);
      },
      {passive: false},
    );
    let last: Point | undefined;
    let moved = 0;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      last = {x: event.clientX, y: event.clientY};
      moved = 0;
    });
    element.addEventListener("pointermove", (event) => {
      if (last === undefined || event.buttons === 0) return;
      const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
      moved += Math.abs(dx) + Math.abs(dy);
      // A hand that trembles while it clicks doesn't drag.
      if (moved > 4 && !element.hasPointerCapture(event.pointerId)) element.setPointerCapture(event.pointerId);
      last = {x: event.clientX, y: event.clientY};
      this.#at = {...this.#at, x: this.#at.x + dx, y: this.#at.y + dy};
      this.#apply();
    });
    element.addEventListener("pointerup", () => {
      last = undefined;
    });
    element.addEventListener("click", () => {
      if (moved <= 4) this.#events.select(undefined);
    });
    const steps: Readonly<Record<string, Point>> = {
      ArrowLeft: {x: 60, y: 0},
      ArrowRight: {x: -60, y: 0},
      ArrowUp: {x: 0, y: 60},
      ArrowDown: {x: 0, y: -60},
    };
    element.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (step !== undefined) {
        this.#at = {...this.#at, x: this.#at.x + step.x, y: this.#at.y + step.y};
        this.#apply();
      } else if (event.key === "+" || event.key === "=") this.zoom(1.25);
      else if (event.key === "-") this.zoom(0.8);
      else if (event.key === "0") this.fit();
      else return;
      event.preventDefault();
    });
  }
}

/** One for each pair of boxes, however many values go from one to the other. */
function linesOf(
  view: GraphView,
  leaves: Scopes["leaves"],
): readonly (Omit<Line, "label"> & {readonly text: string})[] {
  const found = new Map<string, {from: string; to: string; weight: number; types: Set<string>}>();
  view.nodes.forEach((node, index) => {
    const to = drawnFor(leaves[index]!).id;
    for (const edge of node.inputs) {
      const leaf = leaves[edge.from];
      if (leaf === undefined) continue;
      const from = drawnFor(leaf).id;
      if (from === to) continue;
      const key = `${from}\n${to}`;
      const line = found.get(key) ?? {from, to, weight: 0, types: new Set<string>()};
      line.weight++;
      const type = view.nodes[edge.from]!.outputs[edge.output ?? 0];
      if (type !== undefined && type !== "") line.types.add(shapeOf(type));
      found.set(key, line);
    }
  });
  return [...found.values()].slice(0, 4 * mostDrawn).map(({from, to, weight, types}) => ({
    from,
    to,
    weight,
    text: types.size === 1 ? shorten([...types][0]!, 24) : types.size > 1 ? `${types.size} tensors` : "",
  }));
}

/** Through the first and last point, rounded at those between. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points as [Point, ...Point[]];
  const at = ({x, y}: Point): string => `${x.toFixed(1)} ${y.toFixed(1)}`;
  if (rest.length === 1) return `M${at(first)}L${at(rest[0]!)}`;
  let path = `M${at(first)}`;
  for (let i = 0; i < rest.length - 1; i++) {
    const [corner, next] = [rest[i]!, rest[i + 1]!];
    const isLast = i === rest.length - 2;
    const end = isLast ? next : {x: (corner.x + next.x) / 2, y: (corner.y + next.y) / 2};
    path += `Q${at(corner)} ${at(end)}`;
  }
  return path;
}
