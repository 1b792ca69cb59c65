/** `tf-trusted inspect`: what is in a model file. Works on this machine only; nothing is started or sent. */
import {inspectModel} from "@tf-trusted/convert";
import {defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {writeOutputFile} from "../files.ts";
import {recognisePath} from "../model/open-model.ts";
import {renderModelPage} from "../render/model-page.ts";
import {renderStructure, structureToJson} from "../render/structure.ts";

/** What a page holds at most: beyond, a browser would take its time. */
const maxPageNodes = 50_000;

export const inspectCommand = defineCommand({
  name: "inspect",
  summary: "Show a model's signatures, graph, operators and sizes",
  description:
    "Reads SavedModel and TensorFlow.js folders (also zipped), .pb, .pbtxt, .keras, .h5 and .tflite, told by content. Says what could not be converted or run, and why.",
  operands: [
    {
      name: "MODEL",
      help: "a SavedModel or TensorFlow.js folder, a frozen GraphDef (.pb, .pbtxt), a .keras, .h5 or .tflite file",
    },
  ],
  flags: {
    "output-name": {value: "NAME", repeat: true, help: "look only at what this output of a graph needs"},
    html: {value: "FILE", help: "write a page with the graph drawn as well"},
  },
  examples: [
    {line: "inspect fixtures/digits/digits.pb", what: "a frozen graph"},
    {
      line: "inspect fixtures/digits/digits.pb --html digits.html",
      what: "the graph as a page, to look at in a browser",
    },
  ],
  async run([path], flags, {print, progress}) {
    progress.step(`Reading ${path}`);
    const source = await recognisePath(path!);
    const {html, "output-name": outputs} = flags;
    const {structure, graphs} = await inspectModel("files" in source ? source.files : source.bytes, {
      ...(outputs.length > 0 && {outputs}),
      ...(html !== undefined && {maxGraphNodes: maxPageNodes}),
    });
    if (html !== undefined) {
      progress.step(`Drawing ${path}`);
      await writeOutputFile(html, await renderModelPage(path!, structure, graphs));
    }
    await print({
      json: {model: path!, ...structureToJson(structure)},
      text: (style, columns) => renderStructure(path!, structure, style, columns),
    });
    return exitCodes.done;
  },
});
