/** Colours, or none: by NO_COLOR (https://no-color.org), FORCE_COLOR and whether the stream is a terminal. */
import {styleText} from "node:util";

export interface Style {
  readonly color: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
  /** Level 0 (black) to 1 (white) for the upper and the lower half of a cell, as 256-colour greys. */
  readonly greys: (text: string, upper: number, lower: number) => string;
}

/** Whether to colour a stream: FORCE_COLOR decides first, then NO_COLOR, then whether it is a terminal that can. */
export function wantsColor(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const force = env.FORCE_COLOR;
  if (force !== undefined) return force !== "0" && force !== "false";
  if (env.NO_COLOR) return false;
  return isTerminal && env.TERM !== "dumb";
}

export function createStyle(color: boolean): Style {
  const paint =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      // `color` has decided already: styleText shall not look at the stream itself.
      color && text !== "" ? styleText(format, text, {validateStream: false}) : text;
  return {
    color,
    bold: paint("bold"),
    dim: paint("dim"),
    red: paint("red"),
    green: paint("green"),
    yellow: paint("yellow"),
    cyan: paint("cyan"),
    greys: (text, upper, lower) =>
      color ? `\x1b[38;5;${greyIndex(upper)}m\x1b[48;5;${greyIndex(lower)}m${text}\x1b[0m` : text,
  };
}

/** 232 (nearly black) to 255 (nearly white). */
function greyIndex(level: number): number {
  return 232 + Math.round(Math.min(1, Math.max(0, level)) * 23);
}

/** Columns that `text` takes on a terminal, without its colours. Wide characters count as one. */
export function visibleLength(text: string): number {
  return [...stripStyle(text)].length;
}

export function stripStyle(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character.
  return text.replace(/\x1b\[[0-9;]*m/g, "");
}

/** Text that isn't ours (names in a model file), without what could drive a terminal. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
