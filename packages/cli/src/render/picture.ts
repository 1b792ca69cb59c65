/** A small grey picture in a terminal: half blocks in 256 colours, or shades of characters without colours. */
import type {Style} from "./style.ts";

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Rows from the top, 0 (dark) to 1 (light). */
  readonly levels: ArrayLike<number>;
}

/**
 * Lines of text, a pixel `scale` columns wide and half as many lines high, which is about square. Without colours the
 * lighter a pixel, the denser its character, as ink on paper would be the other way round on most terminals.
 */
export function renderPicture(picture: Picture, style: Style, scale = 2): string {
  const {width, height, levels} = picture;
  const at = (column: number, row: number): number =>
    levels[Math.floor(row / scale) * width + Math.floor(column / scale)] ?? 0;
  const lines: string[] = [];
  for (let row = 0; row < height * scale; row += 2) {
    let line = "";
    for (let column = 0; column < width * scale; column++) {
      const upper = at(column, row);
      const lower = row + 1 < height * scale ? at(column, row + 1) : 0;
      line += style.color ? style.greys("▀", upper, lower) : shade((upper + lower) / 2);
    }
    lines.push(style.color ? line : line.trimEnd());
  }
  return lines.join("\n");
}

const shades = [" ", "░", "▒", "▓", "█"];

function shade(level: number): string {
  return shades[Math.round(Math.min(1, Math.max(0, level)) * (shades.length - 1))]!;
}
