/** A bar a line, for probabilities. */
import {formatShare} from "./quantities.ts";
import {type Style, visibleLength} from "./style.ts";

export interface Bar {
  readonly label: string;
  /** 0 to 1. */
  readonly share: number;
}

/** One line a bar, `width` columns for a share of 1; the largest stands out. */
export function renderBars(bars: readonly Bar[], style: Style, width = 30): string {
  const labelWidth = Math.max(...bars.map(({label}) => visibleLength(label)));
  const largest = Math.max(...bars.map(({share}) => share));
  return bars
    .map(({label, share}) => {
      const name = label + " ".repeat(labelWidth - visibleLength(label));
      const value = formatShare(share).padStart(8);
      const bar = barOf(share, width);
      if (share !== largest) return `${name}  ${value}  ${style.dim(bar)}`.trimEnd();
      return `${style.bold(name)}  ${style.bold(value)}  ${style.green(bar)}`.trimEnd();
    })
    .join("\n");
}

/** Whole blocks, then one of eighths. */
function barOf(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  return "█".repeat(Math.floor(eighths / 8)) + (partBlocks[eighths % 8] ?? "");
}

const partBlocks = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
