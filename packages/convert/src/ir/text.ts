/**
 * The text form of a graph: what tests compare and `dumpPass` shows. It parses back to the same graph:
 *
 *     graph
 *     input "x" = x:0
 *     output "y" = y:0
 *     x = input() : float32[x.0,2]
 *     w = const() {value: float32[2] <1, 2>} : float32[2]
 *     y = tf.Mul(x:0, w:0) : float32[x.0,2]
 *
 * Regions follow their node, indented: `  region body` and then its graph, indented by four.
 *
 * A type's shape is `[…]`, `*` for an unknown rank; `= (…)` after it are elements that are known; `of` a type tells what a list
 * holds, stacked; `scaled (…) from (…) along axis` are the scales and zeros of integers that stand for real numbers.
 * Constants of few numbers are written as such, others as the hexadecimal digits of their bytes.
 */
import {encodeHex, parseHex} from "@tf-trusted/core";
import {type DType, dtypes, isDType, Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../convert-error.ts";
import type {Dim, Shape} from "./dims.ts";
import type {
  Attribute,
  Attributes,
  Graph,
  ListType,
  Node,
  Port,
  Quantisation,
  Regions,
  TensorType,
  ValueDType,
} from "./graph.ts";

const plainName = /^[\w./$-]+$/;
const maxListed = 16;

export function printGraph(graph: Graph): string {
  const lines = [
    "graph",
    ...graph.inputs.map((port) => `input ${printPort(port)}`),
    ...graph.outputs.map((port) => `output ${printPort(port)}`),
    ...graph.nodes.map(printNode),
  ];
  return `${lines.join("\n")}\n`;
}

function printRegions(regions: Regions = {}): string {
  return Object.keys(regions)
    .sort()
    .map((part) => `\n  region ${printName(part)}\n${printGraph(regions[part]!).trimEnd().replaceAll(/^/gm, "    ")}`)
    .join("");
}

/** Throws `CONVERT_IR_TEXT` with the line. */
export function parseGraph(text: string): Graph {
  return parseLines(text.split("\n").map((line, i) => ({text: line, number: i + 1})));
}

interface Line {
  readonly text: string;
  readonly number: number;
}

function parseLines(lines: readonly Line[]): Graph {
  const [inputs, outputs, nodes]: [Port[], Port[], Node[]] = [[], [], []];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.text.trim() === "" || line.text.trim() === "graph") continue;
    const reader = new LineReader(line.text, line.number);
    const head = reader.name();
    if (head === "region" && !reader.peek("=")) {
      const part = reader.name();
      const inner: Line[] = [];
      while (lines[i + 1]?.text.startsWith("    ")) {
        i++;
        inner.push({text: lines[i]!.text.slice(4), number: lines[i]!.number});
      }
      const node = nodes.pop();
      if (node === undefined) throw reader.error("a region without a node");
      nodes.push({...node, regions: {...node.regions, [part]: parseLines(inner)}});
    } else if ((head === "input" || head === "output") && !reader.peek("=")) {
      const name = reader.string();
      reader.expect("=");
      (head === "input" ? inputs : outputs).push({name, ref: reader.ref()});
    } else {
      nodes.push(reader.node(head));
    }
    reader.end();
  }
  return {inputs, outputs, nodes};
}

const printPort = ({name, ref}: Port): string => `${JSON.stringify(name)} = ${printRef(ref)}`;

/** `_:0` is an input left out; a node of that name is quoted. */
const printName = (name: string): string => (plainName.test(name) && name !== "_" ? name : JSON.stringify(name));

function printRef(ref: string): string {
  if (ref === "") return "_:0";
  const at = ref.lastIndexOf(":");
  return `${printName(ref.slice(0, at))}${ref.slice(at)}`;
}

function printNode(node: Node): string {
  const attributes = Object.keys(node.attributes).length > 0 ? ` ${printAttributes(node.attributes)}` : "";
  const origin = node.origin === undefined ? "" : ` @${printName(node.origin)}`;
  const types = node.outputs.map(printType).join("; ");
  return `${printName(node.name)} = ${printName(node.op)}(${node.inputs.map(printRef).join(", ")})${attributes} : ${types}${origin}${printRegions(node.regions)}`;
}

function printAttributes(attributes: Attributes): string {
  const entries = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, value]) => `${printName(key)}: ${printAttribute(value)}`).join(", ")}}`;
}

function printAttribute(value: Attribute | Dim): string {
  if (typeof value === "number") return printNumber(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Tensor) return printTensor(value);
  return `[${(value as readonly Attribute[]).map(printAttribute).join(", ")}]`;
}

function printNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

function printTensor(tensor: Tensor): string {
  const head = `${tensor.dtype}[${tensor.shape.join(",")}]`;
  const {kind} = dtypes[tensor.dtype];
  const listed =
    (kind === "int" || kind === "uint" || tensor.dtype === "float32" || tensor.dtype === "float64") &&
    tensor.size <= maxListed;
  const values = listed ? Array.from(tensor.data as ArrayLike<number | bigint>) : [];
  // Bits of a NaN would be lost.
  if (!listed || values.some((value) => Number.isNaN(value))) return `${head} #${encodeHex(tensor.bytes)}`;
  return `${head} <${values.map((value) => (typeof value === "bigint" ? String(value) : printNumber(value))).join(", ")}>`;
}

function printType({dtype, shape, elements, list, quantisation}: TensorType): string {
  const dims = shape === undefined ? "*" : `[${shape.map(printDim).join(",")}]`;
  if (list) return `${dtype}${dims} of ${printType(list)}`;
  if (quantisation) return `${dtype}${dims} ${printQuantisation(quantisation)}`;
  return `${dtype}${dims}${elements ? ` = (${elements.map(printDim).join(",")})` : ""}`;
}

function printQuantisation({scale, zero, axis}: Quantisation): string {
  return `scaled (${scale.map(printNumber).join(",")}) from (${zero.join(",")})${scale.length === 1 ? "" : ` along ${axis}`}`;
}

const printDim = (dim: Dim): string =>
  typeof dim === "number" ? String(dim) : /^[\w./?-]+$/.test(dim) ? dim : JSON.stringify(dim);

/** Reads one line from left to right. */
class LineReader {
  readonly #text: string;
  readonly #line: number;
  #at = 0;

  constructor(text: string, line: number) {
    this.#text = text;
    this.#line = line;
  }

  node(name: string): Node {
    this.expect("=");
    const op = this.name();
    this.expect("(");
    const inputs = this.list(")", () => this.ref());
    const attributes = this.accept("{") ? Object.fromEntries(this.list("}", () => this.entry())) : {};
    this.expect(":");
    const outputs: TensorType[] = [];
    if (!this.atEnd() && !this.peek("@"))
      do outputs.push(this.type());
      while (this.accept(";"));
    const origin = this.accept("@") ? {origin: this.name()} : {};
    return {name, op, inputs, attributes, outputs, ...origin};
  }

  entry(): [string, Attribute] {
    const key = this.name();
    this.expect(":");
    return [key, this.attribute()];
  }

  attribute(): Attribute {
    if (this.peek('"')) return this.string();
    if (this.accept("[")) return this.list("]", () => this.attribute()) as Attribute;
    const word = this.word();
    if (word === "true" || word === "false") return word === "true";
    if (isDType(word) && this.peek("[")) return this.tensor(word);
    return this.number(word);
  }

  tensor(dtype: DType): Tensor {
    this.expect("[");
    const shape = this.list("]", () => this.number(this.word()));
    if (this.accept("#")) {
      const hex = /^[0-9a-f]*/.exec(this.#text.slice(this.#at))![0];
      this.#at += hex.length;
      return this.guard(() => new Tensor(dtype, shape, parseHex(hex)));
    }
    this.expect("<");
    const values = this.list(">", () => this.word());
    const isBig = dtype === "int64" || dtype === "uint64";
    return this.guard(() =>
      Tensor.from(
        values.map((word) => (isBig ? BigInt(word) : this.number(word))),
        {dtype, shape},
      ),
    );
  }

  type(): TensorType {
    const dtype = this.word() as ValueDType;
    if (!isDType(dtype) && dtype !== "resource" && dtype !== "variant" && !/^dtype\d+$/.test(dtype))
      throw this.error(`unknown dtype "${dtype}"`);
    const shape: Shape | undefined = this.accept("*") ? undefined : this.dims("[", "]");
    if (dtype === "variant" && this.accept("of ")) return {dtype, shape, list: this.type() as ListType};
    if (this.accept("scaled ")) return {dtype, shape, quantisation: this.quantisation()};
    return this.accept("=") ? {dtype, shape, elements: this.dims("(", ")")} : {dtype, shape};
  }

  quantisation(): Quantisation {
    const scale = this.numbers();
    this.expect("from");
    const zero = this.numbers();
    return {scale, zero, axis: this.accept("along ") ? this.number(this.word()) : 0};
  }

  numbers(): number[] {
    this.expect("(");
    return this.list(")", () => this.number(this.word()));
  }

  dims(open: string, close: string): Dim[] {
    this.expect(open);
    return this.list(close, () => {
      if (this.peek('"')) return this.string();
      const word = this.word();
      return /^-?\d+$/.test(word) ? Number(word) : word;
    });
  }

  ref(): string {
    if (this.accept("_:0")) return "";
    const node = this.name();
    this.expect(":");
    const index = this.word();
    if (!/^\d+$/.test(index)) throw this.error(`found "${index}", expected the number of an output`);
    return `${node}:${index}`;
  }

  name(): string {
    return this.peek('"') ? this.string() : this.word();
  }

  string(): string {
    this.#skip();
    const match = /^"(?:[^"\\]|\\.)*"/.exec(this.#text.slice(this.#at));
    if (!match) throw this.error("expected a string");
    this.#at += match[0].length;
    return this.guard(() => JSON.parse(match[0]) as string);
  }

  word(): string {
    this.#skip();
    const match = /^[\w./$?+-]+/.exec(this.#text.slice(this.#at, this.#at + 4096));
    if (!match) throw this.error(`found "${this.#text.slice(this.#at, this.#at + 10)}", expected a word`);
    this.#at += match[0].length;
    return match[0];
  }

  number(word: string): number {
    if (word === "inf" || word === "-inf") return word === "inf" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    if (word === "nan") return Number.NaN;
    const value = Number(word);
    if (Number.isNaN(value)) throw this.error(`found "${word}", expected a number`);
    return value;
  }

  list<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    if (this.accept(close)) return items;
    do items.push(item());
    while (this.accept(","));
    this.expect(close);
    return items;
  }

  peek(text: string): boolean {
    this.#skip();
    return this.#text.startsWith(text, this.#at);
  }

  accept(text: string): boolean {
    if (!this.peek(text)) return false;
    this.#at += text.length;
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text))
      throw this.error(`found "${this.#text.slice(this.#at, this.#at + 10)}", expected "${text}"`);
  }

  atEnd(): boolean {
    this.#skip();
    return this.#at >= this.#text.length;
  }

  end(): void {
    if (!this.atEnd()) throw this.error(`found "${this.#text.slice(this.#at, this.#at + 10)}" after the end`);
  }

  /** Failures of what the text holds are failures of the text. */
  guard<T>(make: () => T): T {
    try {
      return make();
    } catch (cause) {
      throw this.error("a value that can't be read", cause);
    }
  }

  error(message: string, cause?: unknown): ConvertError {
    return new ConvertError("CONVERT_IR_TEXT", `line ${this.#line}: ${message}`, {details: {line: this.#line}, cause});
  }

  #skip(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }
}
