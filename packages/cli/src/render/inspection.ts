/** Evidence taken apart, as text: a line for each field with its place, its bytes whole, and what they mean. */
import type {InspectedField, Inspection} from "@tf-trusted/attestation";
import {formatCount} from "./quantities.ts";
import {printable, type Style} from "./style.ts";

/** Bytes on a line. */
const LINE_BYTES = 32;
/** Meanings of up to so many bytes stand on the same line. */
const SHORT_BYTES = 16;

export function renderInspection({title, size, sections, problem}: Inspection, style: Style): string {
  const names = sections.flatMap(({fields}) => fields.map(({name}) => name.length));
  const width = Math.max(8, ...names);
  const lines = [style.bold(`${title}, ${formatCount(size)} bytes`), style.dim("decoded, not verified")];
  for (const section of sections) {
    lines.push("", style.bold(printable(section.title)));
    for (const field of section.fields) lines.push(...fieldLines(field, width, style));
  }
  if (problem) lines.push("", `${style.red("can't be read on:")} ${printable(problem.message)}`);
  return `${lines.join("\n")}\n`;
}

function fieldLines({name, offset, hex, meaning}: InspectedField, width: number, style: Style): readonly string[] {
  const place = offset === null ? "      " : `0x${offset.toString(16).padStart(4, "0")}`;
  const head = `  ${style.dim(place)}  ${printable(name).padEnd(width)}`;
  const indent = " ".repeat(width + 10);
  const text = meaning ? printable(meaning) : "";
  const zeros = hex !== null && hex.length > 2 * SHORT_BYTES && /^0+$/.test(hex);
  if (zeros)
    return [`${head}  ${style.dim(`00 × ${hex.length / 2}`)}${text && text !== "zero" ? `  ${style.cyan(text)}` : ""}`];
  const bytes = hex?.match(new RegExp(`.{1,${2 * LINE_BYTES}}`, "g")) ?? [];
  if (bytes.length === 0) return [`${head}  ${text}`.trimEnd()];
  const short = hex !== null && hex.length <= 2 * SHORT_BYTES;
  const [first = "", ...rest] = bytes;
  return [
    `${head}  ${first}${short && text ? `  ${style.cyan(text)}` : ""}`,
    ...rest.map((line) => `${indent}  ${line}`),
    ...(short || !text ? [] : [`${indent}  ${style.cyan(text)}`]),
  ];
}
