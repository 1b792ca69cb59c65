/**
 * Pages that are one file: data, scripts and style are in it, and its policy names these by their digests and allows nothing from
 * anywhere. What comes from outside is text: escaped in the body, and data for the scripts, which only ever write it as text.
 */
import {createHash} from "node:crypto";

export interface Page {
  readonly title: string;
  readonly style: string;
  /** HTML; whoever makes it escapes what comes from elsewhere. */
  readonly body: string;
  /** In this order. They find `data` as the JSON of the element `data`. */
  readonly scripts: readonly string[];
  readonly data: unknown;
}

/** Text for HTML, in and out of attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A whole HTML document. */
export function pageOf({title, style, body, scripts, data}: Page): string {
  const policy = [
    "default-src 'none'",
    `script-src ${scripts.map(hashOf).join(" ")}`,
    `style-src ${hashOf(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
<script type="application/json" id="data">${inertJson(data)}</script>
${scripts.map((script) => `<script>${script}</script>`).join("\n")}
</body>
</html>
`;
}

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** JSON in which no tag can begin or end. */
function inertJson(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
