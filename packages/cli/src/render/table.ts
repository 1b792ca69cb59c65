/** Tables of plain text: aligned columns, two spaces between them, no lines. */
import {type Style, visibleLength} from "./style.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/**
 * The lines of a table, each at most `columns` wide where that is possible: the widest column is cut with an ellipsis.
 * A table without titles (all empty) has no heading.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
  width: number = Number.POSITIVE_INFINITY,
): string {
  const widths = columns.map(({title}, i) =>
    Math.max(visibleLength(title), ...rows.map((row) => visibleLength(row[i] ?? ""))),
  );
  shrink(widths, width - gap.length * (columns.length - 1));
  const line = (cells: readonly string[]): string =>
    columns
      .map(({align}, i) => alignCell(cutText(cells[i] ?? "", widths[i]!), widths[i]!, align))
      .join(gap)
      .trimEnd();
  const heading = columns.some(({title}) => title !== "") ? [style.dim(line(columns.map(({title}) => title)))] : [];
  return [...heading, ...rows.map(line)].join("\n");
}

/** `text` in at most `width` columns, with an ellipsis where something is missing. Coloured text loses its colours. */
export function cutText(text: string, width: number): string {
  if (visibleLength(text) <= width) return text;
  return `${[...text].slice(0, Math.max(0, width - 1)).join("")}…`;
}

const gap = "  ";
const leastWidth = 8;

function shrink(widths: number[], available: number): void {
  for (;;) {
    const excess = widths.reduce((sum, width) => sum + width, 0) - available;
    const widest = widths.indexOf(Math.max(...widths));
    const next = Math.max(...widths.map((width, i) => (i === widest ? leastWidth : width)));
    const target = Math.max(next, leastWidth, widths[widest]! - excess);
    if (excess <= 0 || widths[widest]! <= leastWidth) return;
    widths[widest] = target === widths[widest] ? target - 1 : target;
  }
}

function alignCell(text: string, width: number, align: Column["align"]): string {
  const padding = " ".repeat(Math.max(0, width - visibleLength(text)));
  return align === "right" ? padding + text : text + padding;
}
