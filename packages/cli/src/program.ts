/** Commander's program from the command table: flags, help with examples, and the values of flags with their types. */
import {Command as CommanderCommand, InvalidArgumentError, Option} from "commander";
import type {Command, Flag} from "./command.ts";
import type {Style} from "./render/style.ts";

/** Where commander writes help, and in which style. */
export interface HelpOutput {
  readonly write: (text: string) => void;
  readonly style: Style;
  readonly columns: number;
}

const groups: Readonly<Record<string, string>> = {
  enclave: "What an enclave is measured as",
  quote: "Look into attestation evidence",
  engine: "What computes: install and list engines",
  policy: "Write and read the policies that enclaves have to satisfy",
};

/** Flags that every command has. */
export const commonFlags: Readonly<Record<string, Flag>> = {
  json: {help: "write one JSON document to standard output"},
};

/** All flags of commands as typed, for the underscore spellings. */
export const flagsOf = (commands: readonly Command[]): ReadonlySet<string> =>
  new Set([...commands.map(({flags}) => flags), commonFlags].flatMap(Object.keys).map((name) => `--${name}`));

/**
 * `parseAsync` of the result runs the one command that was typed, with the context that `createContext` makes for it.
 * Usage errors are thrown as commander's `CommanderError`, help as one with exit code 0.
 */
export function createProgram(
  commands: readonly Command[],
  version: string,
  help: HelpOutput,
  run: (command: Command, operands: readonly string[], flags: Readonly<Record<string, unknown>>) => Promise<void>,
): CommanderCommand {
  const program = prepare(new CommanderCommand("tf-trusted"), help)
    .description("Run TensorFlow models inside trusted execution environments.")
    .version(version, "--version", "show the version")
    .addHelpText("after", () => rootHelp(help.style));
  const groupCommands = new Map<string, CommanderCommand>();
  for (const command of commands) {
    const [first, second] = command.name.split(" ");
    let parent = program;
    if (second !== undefined) {
      parent = groupCommands.get(first!) ?? addGroup(program, first!, help);
      groupCommands.set(first!, parent);
    }
    parent.addCommand(toCommander(command, second ?? first!, help, run));
  }
  return program;
}

function addGroup(program: CommanderCommand, name: string, help: HelpOutput): CommanderCommand {
  const group = prepare(new CommanderCommand(name), help).description(groups[name]!);
  program.addCommand(group);
  return group;
}

function toCommander(
  command: Command,
  name: string,
  help: HelpOutput,
  run: (command: Command, operands: readonly string[], flags: Readonly<Record<string, unknown>>) => Promise<void>,
): CommanderCommand {
  const result = prepare(new CommanderCommand(name), help)
    .summary(command.summary)
    .description([`${command.summary}.`, command.description].filter(Boolean).join("\n\n"))
    .addHelpText("after", () => exampleHelp(command, help.style));
  for (const operand of command.operands)
    result.argument(`<${operand.name}${operand.repeat ? "..." : ""}>`, operand.help);
  const flags = {...command.flags, ...commonFlags};
  for (const [flagName, flag] of Object.entries(flags)) result.addOption(toOption(flagName, flag));
  return result.action(async (...values: unknown[]) => {
    const typed = result.opts();
    const named = Object.fromEntries(
      Object.entries(flags).map(([flagName, flag]) => {
        const value = typed[attributeName(flagName)] as unknown;
        return [flagName, value ?? (flag.value === undefined ? false : flag.repeat ? [] : undefined)];
      }),
    );
    await run(command, values.slice(0, command.operands.length).flat() as string[], named);
  });
}

function toOption(name: string, flag: Flag): Option {
  const help = flag.byDefault === undefined ? flag.help : `${flag.help} (default: ${flag.byDefault})`;
  const option = new Option(`--${name}${flag.value === undefined ? "" : ` <${flag.value}>`}`, help);
  if (flag.value === undefined) return option;
  return option.argParser<unknown>((text, previous) => {
    const value = parseValue(flag, text);
    if (flag.repeat) return [...((previous as unknown[] | undefined) ?? []), value];
    if (previous !== undefined) throw new InvalidArgumentError("It was given twice.");
    return value;
  });
}

function parseValue(flag: Flag, text: string): unknown {
  try {
    return flag.parse === undefined ? text : flag.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`It takes ${(error as Error).message}.`);
  }
}

/** Commander keeps `--model-file` as `modelFile`. */
function attributeName(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function prepare(command: CommanderCommand, {write, style, columns}: HelpOutput): CommanderCommand {
  return command
    .exitOverride()
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .configureOutput({
      writeOut: write,
      // What is wrong with the command line is shown once, by whoever catches the error.
      writeErr: () => {},
      getOutHelpWidth: () => columns,
      getOutHasColors: () => style.color,
    })
    .configureHelp({
      styleTitle: style.bold,
      styleCommandText: style.cyan,
      styleSubcommandText: style.cyan,
      styleOptionText: style.cyan,
      styleArgumentText: style.cyan,
    });
}

function exampleHelp({examples, operands}: Command, style: Style): string {
  const lines = examples.map(({line, what}) => `  ${style.dim(`# ${what}`)}\n  tf-trusted ${line}`);
  const spellings = operands.length === 0 ? "\nFlags may be spelt with underscores (--model_file), too.\n" : "";
  return `\n${style.bold("Examples:")}\n${lines.join("\n\n")}\n${spellings}`;
}

function rootHelp(style: Style): string {
  return `
${style.bold("Examples:")}
  ${style.dim("# convert a model, start a simulated enclave, verify it, predict, stop it")}
  tf-trusted run --model-file fixtures/digits/digits.pb --input-file fixtures/digits/digits/3.npy

${style.bold("Exit codes:")} 0 done, 1 failed, 2 wrong use, 3 not trusted.
tf-trusted COMMAND --help shows the flags of a command, with examples.
`;
}
