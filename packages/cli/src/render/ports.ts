/** Inputs and outputs as a table. */
import type {Port} from "../model/open-model.ts";
import {formatShape} from "./quantities.ts";
import {printable, type Style} from "./style.ts";
import {renderTable} from "./table.ts";

export interface PortGroup {
  readonly title: string;
  readonly ports: readonly Port[];
}

/** Groups below each other with common columns: `inputs  image  float32  [?, 8, 8, 1]`. */
export function renderPorts(groups: readonly PortGroup[], style: Style, columns: number): string {
  const rows = groups.flatMap(({title, ports}) =>
    ports.map(({name, dtype, shape, quantized}, i) => [
      i === 0 ? style.bold(title) : "",
      printable(name),
      dtype + (quantized ? style.dim(" quantised") : ""),
      formatShape(shape),
    ]),
  );
  return renderTable([{title: ""}, {title: ""}, {title: ""}, {title: ""}], rows, style, columns);
}

/** Operators with their numbers, most frequent first: `Conv2D 3, Relu 3, Softmax`. */
export function listOperators(operators: Readonly<Record<string, number>>): string {
  return Object.entries(operators)
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([name, count]) => (count === 1 ? printable(name) : `${printable(name)} ×${count}`))
    .join(", ");
}
