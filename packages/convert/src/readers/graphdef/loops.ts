/**
 * TensorFlow 1's loops → While with functions (specs/convert.md §4.7). A frame is known by the name that its Enters carry;
 * a variable of the loop is Merge(Enter, NextIteration) → Switch by LoopCond → body or Exit; an Enter without Merge is
 * something that the loop only reads. Inner frames are raised first: their Whiles are nodes of the outer body.
 */
import type {Message} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import type {Ref} from "../../ir/graph.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";
import {parseRef} from "./select.ts";

interface Variable {
  readonly enter: NodeDef;
  /** `undefined` for what the loop only reads. */
  readonly merge: NodeDef | undefined;
  readonly next: NodeDef | undefined;
  readonly switches: readonly NodeDef[];
}

interface Frame {
  readonly name: string;
  readonly variables: readonly Variable[];
  readonly condition: NodeDef;
}

/** Nodes between results and arguments. */
interface Part {
  readonly nodes: ReadonlySet<NodeDef>;
  readonly results: readonly Ref[];
  readonly arguments: ReadonlyMap<Ref, number>;
}

/** Throws `CONVERT_GRAPH_INVALID` for frames that aren't loops. */
export function raiseLoops(graph: GraphDef): GraphDef {
  if (!graph.nodes.some((node) => node.op === "Enter" || node.op === "RefEnter")) return graph;
  return new LoopRaiser(graph).run();
}

class LoopRaiser {
  readonly #graph: GraphDef;
  readonly #nodes: Map<string, NodeDef>;
  readonly #functions: Message[];

  constructor(graph: GraphDef) {
    this.#graph = graph;
    this.#nodes = new Map(graph.nodes.map((node) => [node.name, node]));
    this.#functions = [...graph.functions];
  }

  run(): GraphDef {
    for (;;) {
      const frames = this.#frameNames();
      if (frames.length === 0) break;
      const raised = frames.some((name) => this.#raise(name));
      if (!raised) throw invalid(frames[0]!, "it isn't a loop whose parts can be told apart");
    }
    return {...this.#graph, nodes: [...this.#nodes.values()], functions: this.#functions};
  }

  #frameNames(): readonly string[] {
    const enters = [...this.#nodes.values()].filter(isEnter);
    return [...new Set(enters.map(frameOf))];
  }

  /** False where another frame has to be raised before. */
  #raise(name: string): boolean {
    const frame = this.#readFrame(name);
    const read = (results: readonly Ref[], of: (variable: Variable) => readonly Ref[]) => {
      const known = new Map(frame.variables.flatMap((variable, i) => of(variable).map((ref) => [ref, i] as const)));
      return this.#collect(results, known);
    };
    const body = read(
      frame.variables.map(({enter, next}) => (next ? this.#input(next, 0) : `${enter.name}:0`)),
      ({enter, merge, switches}) => (merge ? switches.map((each) => `${each.name}:1`) : [`${enter.name}:0`]),
    );
    const cond = read([this.#input(frame.condition, 0)], ({enter, merge}) => [`${(merge ?? enter).name}:0`]);
    if (body === undefined || cond === undefined) return false;
    this.#replace(frame, body, cond);
    return true;
  }

  #readFrame(name: string): Frame {
    const all = [...this.#nodes.values()];
    const enters = all.filter((node) => isEnter(node) && frameOf(node) === name);
    const merges = all.filter((node) => node.op === "Merge" || node.op === "RefMerge");
    const variables = enters.map((enter): Variable => {
      const merge = merges.find((node) => this.#inputs(node).includes(`${enter.name}:0`));
      if (merge === undefined) return {enter, merge, next: undefined, switches: []};
      const next = this.#inputs(merge).flatMap((ref) => {
        const producer = this.#producer(ref);
        return producer?.op === "NextIteration" || producer?.op === "RefNextIteration" ? [producer] : [];
      })[0];
      if (next === undefined) throw invalid(name, `"${merge.name}" has no NextIteration`);
      const switches = all.filter((node) => isSwitch(node) && this.#inputs(node)[0] === `${merge.name}:0`);
      return {enter, merge, next, switches};
    });
    const conditions = variables.flatMap(({switches}) =>
      switches.map((node) => this.#producer(this.#inputs(node)[1] ?? "")),
    );
    const condition = conditions.find((node) => node?.op === "LoopCond");
    if (condition === undefined) throw invalid(name, "it has no LoopCond");
    return {name, variables, condition};
  }

  /** `undefined` where the way back leads into a frame that isn't raised yet. */
  #collect(results: readonly Ref[], known: ReadonlyMap<Ref, number>): Part | undefined {
    const nodes = new Set<NodeDef>();
    const pending = [...results];
    for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
      if (known.has(ref)) continue;
      const node = this.#producer(ref);
      if (node === undefined || nodes.has(node)) continue;
      if (/^(Ref)?(Enter|Exit|NextIteration)$|^LoopCond$/.test(node.op)) return undefined;
      nodes.add(node);
      pending.push(...this.#inputs(node));
    }
    return {nodes, results, arguments: known};
  }

  #replace({name, variables, condition}: Frame, body: Part, cond: Part): void {
    const loop = this.#fresh(`${name}/While`);
    const types = variables.map(({enter}) => Number(enter.attributes.get("T")?.type ?? 0));
    const add = (part: Part, role: string) => {
      const message = functionMessage(`${loop}/${role}`, types, part, (node) => this.#inputs(node));
      this.#functions.push(message);
      return {func: {name: `${loop}/${role}`}};
    };
    const attributes = new Map<string, Message>([
      ["T", {list: {type: types}}],
      ["cond", add(cond, "cond")],
      ["body", add(body, "body")],
    ]);
    const own = new Set<NodeDef>([condition, ...body.nodes, ...cond.nodes].filter((node) => node.op !== "Const"));
    const exits = new Map<NodeDef, number>();
    variables.forEach(({enter, merge, next, switches}, i) => {
      for (const node of [enter, merge, next, ...switches]) if (node) own.add(node);
      for (const node of this.#nodes.values()) {
        const isOwn =
          /^(Ref)?Exit$/.test(node.op) && switches.some((each) => this.#input(node, 0) === `${each.name}:0`);
        if (isOwn) exits.set(node, i);
      }
    });
    const operands = variables.map(({enter}) => this.#inputs(enter)[0]!);
    for (const node of own) this.#nodes.delete(node.name);
    this.#nodes.set(loop, {name: loop, op: "While", inputs: operands, attributes});
    for (const [exit, i] of exits) {
      const type: Message = {type: types[i]!};
      this.#nodes.set(exit.name, {
        name: exit.name,
        op: "Identity",
        inputs: [`${loop}:${i}`],
        attributes: new Map([["T", type]]),
      });
    }
    this.#dropDangling();
  }

  /** What was computed in the loop for nothing. */
  #dropDangling(): void {
    for (let found = true; found; ) {
      found = false;
      for (const node of this.#nodes.values()) {
        if (this.#inputs(node).every((ref) => this.#producer(ref))) continue;
        this.#nodes.delete(node.name);
        found = true;
      }
    }
  }

  #inputs(node: NodeDef): readonly Ref[] {
    return node.inputs.filter((input) => !input.startsWith("^")).map(parseRef);
  }

  #input(node: NodeDef, index: number): Ref {
    const ref = this.#inputs(node)[index];
    if (ref === undefined) throw invalid(node.name, `it has no input ${index}`);
    return ref;
  }

  #producer(ref: Ref): NodeDef | undefined {
    return this.#nodes.get(ref.slice(0, ref.lastIndexOf(":")));
  }

  #fresh(wished: string): string {
    let name = wished;
    for (let i = 1; this.#nodes.has(name); i++) name = `${wished}_${i}`;
    return name;
  }
}

const isEnter = (node: NodeDef): boolean => node.op === "Enter" || node.op === "RefEnter";
const isSwitch = (node: NodeDef): boolean => node.op === "Switch" || node.op === "RefSwitch";

const frameOf = (node: NodeDef): string =>
  new TextDecoder().decode((node.attributes.get("frame_name")?.s as Uint8Array | undefined) ?? new Uint8Array(0));

/** No node of a graph is called so. */
const argumentName = (index: number): string => `#${index}`;

function functionMessage(
  name: string,
  types: readonly number[],
  {nodes, results, arguments: known}: Part,
  inputsOf: (node: NodeDef) => readonly Ref[],
): Message {
  const refer = (ref: Ref): string => {
    const index = known.get(ref);
    return index === undefined ? ref : argumentName(index);
  };
  return {
    signature: {
      name,
      input_arg: types.map((type, i) => ({name: argumentName(i), type})),
      output_arg: results.map((_, i) => ({name: `result_${i}`})),
    },
    node_def: [...nodes].map((node) => ({
      name: node.name,
      op: node.op,
      input: inputsOf(node).map(refer),
      attr: node.attributes as Map<string, Message>,
    })),
    ret: results.map((ref, i) => ({key: `result_${i}`, value: refer(ref)})),
  };
}

function invalid(where: string, message: string): ConvertError {
  return new ConvertError("CONVERT_GRAPH_INVALID", `loop "${where}": ${message}`, {details: {node: where}});
}
