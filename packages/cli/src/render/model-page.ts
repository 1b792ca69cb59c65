/** A model as one page. Names in it are of whoever made the model: they are data. */
import {readFile} from "node:fs/promises";
import {describeCut, type GraphView, type ModelStructure} from "@tf-trusted/convert";
import {pageOf} from "./html.ts";
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
  return pageOf({
    title,
    style,
    body: "<noscript>This page draws the model with a script of its own.</noscript>",
    scripts: [script],
    data,
  });
}

const part = (name: string): Promise<string> => readFile(new URL(name, partsFolder), "utf8");
