/**
 * A model as one page that needs nothing else: data, script and style are in it, and its policy allows nothing from anywhere.
 * Names in it are of whoever made the model: they are data, which the script only ever writes as text.
 */
import {createHash} from "node:crypto";
import {readFile} from "node:fs/promises";
import {describeCut, type GraphView, type ModelStructure} from "@tf-trusted/convert";
import {factsOf} from "./structure.ts";

/** What the page's script reads. */
export interface PageData {
  readonly title: string;
  readonly facts: readonly string[];
  readonly structure: ModelStructure;
  readonly graphs: readonly GraphView[];
  /** How to cut the graph on the command line; "" where there is nothing to say. */
  readonly cutText: string;
}

/** Made by `npm run bundle -w packages/cli` from `src/page`. */
const partsFolder = new URL("../page/", import.meta.url);

/** A whole HTML document. Throws where the command wasn't built. */
export async function renderModelPage(
  path: string,
  structure: ModelStructure,
  graphs: readonly GraphView[],
): Promise<string> {
  const [script, style] = await Promise.all([part("page.js"), part("page.css")]);
  const title = path.split(/[\\/]/).findLast((each) => each !== "") ?? path;
  const data: PageData = {
    title,
    facts: factsOf(structure),
    structure,
    graphs,
    cutText: structure.cut ? describeCut(structure.cut) : "",
  };
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
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
<title>${escapeText(title)}</title>
<style>${style}</style>
</head>
<body>
<noscript>This page draws the model with a script of its own.</noscript>
<script type="application/json" id="data">${dataText(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

const part = (name: string): Promise<string> => readFile(new URL(name, partsFolder), "utf8");

const hashOf = (text: string): string => `sha256-${createHash("sha256").update(text).digest("base64")}`;

/** JSON in which no tag can begin or end. */
function dataText(data: PageData): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
