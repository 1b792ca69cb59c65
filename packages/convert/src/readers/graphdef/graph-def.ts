/** Bytes of a GraphDef, binary or text, → its nodes as plain values. Nothing is checked yet but the encoding. */
import {decodeMessage, type Message, type MessageMap} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {graphDef} from "./schema.ts";
import {parseTextMessage} from "./text-format.ts";

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  /** `name`, `name:k` or `^name`. */
  readonly inputs: readonly string[];
  readonly attributes: MessageMap;
}

export interface GraphDef {
  readonly nodes: readonly NodeDef[];
  readonly producer: number;
  readonly functions: readonly Message[];
}

export type GraphDefFormat = "graphdef" | "graphdef-text";

/** What the bytes are, by their content: a binary GraphDef begins with a tag, a text one with a word. */
export function recogniseGraphDef(bytes: Uint8Array): GraphDefFormat {
  const head = new TextDecoder().decode(bytes.subarray(0, 4096));
  const isText = /^\ufeff?(\s|#[^\n]*\n)*(node|versions?|library)\s*(\{|<|:|\[)/.test(head);
  return isText ? "graphdef-text" : "graphdef";
}

/** Throws `CONVERT_NOT_A_GRAPH`, `CONVERT_TRUNCATED`, `CONVERT_WIRE` and `CONVERT_TEXT_SYNTAX`. */
export function parseGraphDef(bytes: Uint8Array, format: GraphDefFormat = recogniseGraphDef(bytes)): GraphDef {
  const message =
    format === "graphdef-text" ? parseTextMessage(graphDef, new TextDecoder().decode(bytes)) : decodeBinary(bytes);
  const graph = graphDefOf(message);
  if (graph.nodes.length === 0) {
    throw new ConvertError(
      "CONVERT_NOT_A_GRAPH",
      `not a GraphDef: found ${bytes.length} bytes without any node; expected a frozen graph (.pb, .pbtxt)`,
    );
  }
  return graph;
}

/** A GraphDef that is part of another message. */
export function graphDefOf(message: Message): GraphDef {
  const versions = (message.versions ?? {}) as Message;
  const library = (message.library ?? {}) as Message;
  return {
    nodes: ((message.node ?? []) as Message[]).map(nodeOf),
    producer: Number(versions.producer ?? 0),
    functions: (library.function ?? []) as Message[],
  };
}

/** Damage in the very first bytes says that this was never a GraphDef. */
function decodeBinary(bytes: Uint8Array): Message {
  const plausible = bytes.length > 2 && [0x0a, 0x12, 0x18, 0x22].includes(bytes[0]!);
  try {
    return decodeMessage(graphDef, bytes);
  } catch (error) {
    if (plausible || !(error instanceof ConvertError)) throw error;
    throw new ConvertError(
      "CONVERT_NOT_A_GRAPH",
      "not a GraphDef: the bytes are neither its binary nor its text format; expected a frozen graph (.pb, .pbtxt)",
      {cause: error},
    );
  }
}

function nodeOf(message: Message): NodeDef {
  return {
    name: (message.name ?? "") as string,
    op: (message.op ?? "") as string,
    inputs: (message.input ?? []) as string[],
    attributes: (message.attr ?? new Map()) as MessageMap,
  };
}

/** Operators of the graph and of all its functions, one for each node. */
export function operatorsOf({nodes, functions}: GraphDef): readonly string[] {
  const inFunctions = functions.flatMap((each) =>
    ((each.node_def ?? []) as Message[]).map(({op = ""}) => op as string),
  );
  return [...nodes.map(({op}) => op), ...inFunctions];
}
