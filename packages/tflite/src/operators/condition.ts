/**
 * The conditions of the version rules, as text in gen/rules-data.ts: terms joined by `&` (binds tighter) and `|`, with
 * parentheses and `!`. `in0=int8`, `out0 in {int8,int16}`, `opt.keep_num_dims`, `rank(in0)>4`, and the words of `words`.
 */
import type {Options, TfliteTensor} from "../model.ts";
import {camelCase, enums} from "../schema/schema.ts";

/** What a condition may ask of a node. */
export interface ConditionNode {
  /** `undefined` where an optional input is left out. */
  readonly inputs: readonly (TfliteTensor | undefined)[];
  readonly outputs: readonly TfliteTensor[];
  /** Complete: absent fields at their defaults. */
  readonly options: Options;
}

export type Condition = (node: ConditionNode) => boolean;

const rank = (tensor: TfliteTensor | undefined): number => tensor?.shape.length ?? 0;
const scales = (tensor: TfliteTensor | undefined): readonly number[] => tensor?.quantization?.scale ?? [];

/** Conditions that stand for themselves. */
const words: Readonly<Record<string, Condition>> = {
  always: () => true,
  never: () => false,
  broadcast: ({inputs}) => inputs[0]?.shape.join() !== inputs[1]?.shape.join(),
  high_rank: ({inputs}) => Math.max(rank(inputs[0]), rank(inputs[1])) > 4,
  any_rank_5: ({inputs}) => inputs.some((input) => rank(input) === 5),
  grouped: ({inputs}) => inputs[0]?.shape[3] !== inputs[1]?.shape[3],
  two_inputs: ({inputs}) => inputs.length === 2,
  has_fourth_input: ({inputs}) => inputs[3] !== undefined,
  quantized: ({inputs, outputs}) => [inputs[0], inputs[1], outputs[0]].every((tensor) => scales(tensor).length > 0),
  product_scale: ({inputs, outputs}) => {
    const [a, b, out] = [inputs[0], inputs[1], outputs[0]].map((tensor) => scales(tensor)[0] ?? 0) as [
      number,
      number,
      number,
    ];
    return out !== 0 && (a * b) / out >= 1;
  },
};

/** `f(inK)`. */
const predicates: Readonly<Record<string, (tensor: TfliteTensor | undefined) => boolean>> = {
  quantized: (tensor) => scales(tensor).length > 0,
  per_channel: (tensor) => scales(tensor).length > 1,
  sparse: (tensor) => tensor?.sparse === true,
};

/** Parses a condition. Throws a plain Error: conditions are the project's own data, and a test parses all of them. */
export function parseCondition(text: string): Condition {
  const tokens =
    text.match(/[()|&!]|opt\.\w+(?:!?=\w+)?|\w+\(\w+\)(?:[<>!=]+\d+)?|\w+ in \{[^}]*\}|\w+=\w+|\w+/g) ?? [];
  if (tokens.join("").replaceAll(" ", "") !== text.replaceAll(" ", "")) throw new Error(`condition "${text}"`);
  let at = 0;
  const any = (): Condition => {
    const parts = [all()];
    while (tokens[at] === "|") {
      at++;
      parts.push(all());
    }
    return (node) => parts.some((part) => part(node));
  };
  const all = (): Condition => {
    const parts = [one()];
    while (tokens[at] === "&") {
      at++;
      parts.push(one());
    }
    return (node) => parts.every((part) => part(node));
  };
  const one = (): Condition => {
    const token = tokens[at++];
    if (token === "!") {
      const inner = one();
      return (node) => !inner(node);
    }
    if (token !== "(") return parseTerm(token ?? "");
    const inner = any();
    if (tokens[at++] !== ")") throw new Error(`condition "${text}": a parenthesis is open`);
    return inner;
  };
  const condition = any();
  if (at !== tokens.length) throw new Error(`condition "${text}": "${tokens[at]}" follows its end`);
  return condition;
}

function parseTerm(term: string): Condition {
  const option = /^opt\.(\w+?)(?:(!?=)(\w+))?$/.exec(term);
  if (option !== null) return optionTerm(camelCase(option[1]!), option[2], option[3]);
  const predicate = /^(\w+)\((\w+)\)(?:(>|!=)(\d+))?$/.exec(term);
  if (predicate !== null) return predicateTerm(predicate[1]!, predicate[2]!, predicate[3], Number(predicate[4]));
  const type = /^(\w+)(?:=(\w+)| in \{([^}]*)\})$/.exec(term);
  if (type !== null) {
    const tensor = operand(type[1]!);
    const types = (type[2] ?? type[3]!).split(",");
    return (node) => types.includes(tensor(node)?.type ?? "");
  }
  const word = Object.hasOwn(words, term) ? words[term] : undefined;
  if (word === undefined) throw new Error(`condition term "${term}"`);
  return word;
}

/** An option is on, or has a value; 0 stands for the first value of an enumeration, too. */
function optionTerm(name: string, operator: string | undefined, value = ""): Condition {
  if (operator === undefined) return ({options}) => options[name] === true;
  const first = enums.get("TensorType")!.names.get(0);
  const equals = (found: unknown) => String(found) === value || (value === "0" && found === first);
  return ({options}) => equals(options[name]) === (operator === "=");
}

function predicateTerm(name: string, of: string, operator: string | undefined, limit: number): Condition {
  const tensor = operand(of);
  if (name === "rank") return (node) => (operator === ">" ? rank(tensor(node)) > limit : rank(tensor(node)) !== limit);
  const predicate = Object.hasOwn(predicates, name) ? predicates[name] : undefined;
  if (predicate === undefined) throw new Error(`condition on ${name}(${of})`);
  return (node) => predicate(tensor(node));
}

function operand(name: string): (node: ConditionNode) => TfliteTensor | undefined {
  const found = /^(in|out)(\d)$/.exec(name);
  if (found === null) throw new Error(`condition on "${name}"`);
  const index = Number(found[2]);
  return found[1] === "in" ? ({inputs}) => inputs[index] : ({outputs}) => outputs[index];
}
