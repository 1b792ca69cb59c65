/**
 * What a command is: a row of data (names, flags, examples) and one function. Everything that is the same for all of
 * them, such as `--json`, help, spellings and exit codes, is made from the row in `program.ts`.
 */
import type {JsonValue} from "@tf-trusted/core";
import type {ExitCode} from "./exit-codes.ts";
import type {Progress} from "./render/progress.ts";
import type {Style} from "./render/style.ts";

/** A flag: without `value` it is a switch. */
export interface Flag {
  readonly help: string;
  /** What stands for the value in the help: `FILE`, `HOST:PORT`. */
  readonly value?: string;
  /** Whether it may be given several times; its value is then a list. */
  readonly repeat?: true;
  /** Text to value. Throws an `Error` whose message ends the sentence "--flag wants …". Default: the text itself. */
  readonly parse?: (text: string) => unknown;
  /** Shown in the help; the command applies it. */
  readonly byDefault?: string;
}

export type Flags = Readonly<Record<string, Flag>>;

/** The values of a table of flags, by their names as typed (`args["model-file"]`). */
export type FlagValues<F extends Flags> = {readonly [Name in keyof F]: FlagValue<F[Name]>};

type FlagValue<F extends Flag> = F extends {readonly value: string}
  ? F extends {readonly repeat: true}
    ? readonly ParsedValue<F>[]
    : ParsedValue<F> | undefined
  : boolean;

type ParsedValue<F extends Flag> = F extends {readonly parse: (text: string) => infer Value} ? Value : string;

export interface Operand {
  /** As in the help: `MODEL`. All operands are required. */
  readonly name: string;
  readonly help: string;
  /** Of the last: whether there may be several. */
  readonly repeat?: true;
}

export interface Example {
  /** What one types, without `tf-trusted`; paths as in a clone of the repository. */
  readonly line: string;
  readonly what: string;
}

/** One structure, shown as text or as JSON. */
export interface Outcome {
  readonly json: JsonValue;
  readonly text: (style: Style, columns: number) => string;
}

/** What a command may touch. */
export interface Context {
  /** Whether standard output is JSON: everything meant for people goes to standard error or nowhere. */
  readonly json: boolean;
  /** Writes the one result of the command. */
  readonly print: (outcome: Outcome) => Promise<void>;
  /** A line for people on standard error: what was taken for granted, what was converted. */
  readonly note: (text: string) => void;
  /** Shows what takes long, on a terminal only. */
  readonly progress: Progress;
  /** How standard error is written. */
  readonly noteStyle: Style;
  /** Aborted by Ctrl-C and SIGTERM. Commands clean up in `finally` and need not ask. */
  readonly signal: AbortSignal;
}

export interface Command {
  /** One or two words: `run`, `policy init`. */
  readonly name: string;
  readonly summary: string;
  /** Whole sentences, after the summary in the command's own help. */
  readonly description?: string;
  readonly operands: readonly Operand[];
  readonly flags: Flags;
  readonly examples: readonly [Example, ...Example[]];
  readonly run: (
    operands: readonly string[],
    flags: Readonly<Record<string, unknown>>,
    context: Context,
  ) => Promise<ExitCode>;
}

/** A command whose function knows the types of its flags. */
export function defineCommand<const F extends Flags>(
  command: Omit<Command, "flags" | "run"> & {
    readonly flags: F;
    readonly run: (operands: readonly string[], flags: FlagValues<F>, context: Context) => Promise<ExitCode>;
  },
): Command {
  const {run, ...row} = command;
  return {
    ...row,
    run: (operands, flags, context) => run(operands, flags as FlagValues<F>, context),
  };
}
