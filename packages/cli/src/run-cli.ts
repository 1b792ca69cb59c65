/**
 * The command line from words to exit code: parses, runs one command, shows its result or its error, as text or as JSON.
 * Streams, environment and signals come in as arguments, so that tests run the same code without a process.
 */
import {TfTrustedError} from "@tf-trusted/core";
import {CommanderError} from "commander";
import {normaliseArguments} from "./arguments.ts";
import {CliError} from "./cli-error.ts";
import type {Context, Outcome} from "./command.ts";
import {loadCommands} from "./commands/index.ts";
import {type ExitCode, exitCodes} from "./exit-codes.ts";
import {reasonOf} from "./files.ts";
import {createProgram, flagsOf} from "./program.ts";
import {formatJson} from "./render/json.ts";
import {createProgress, silentProgress} from "./render/progress.ts";
import {createStyle, wantsColor} from "./render/style.ts";

export interface OutputStream {
  /** Rejects where the text couldn't be written. */
  readonly write: (text: string) => Promise<void>;
  readonly isTerminal: boolean;
  readonly columns: number;
}

export interface Surroundings {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly signal: AbortSignal;
}

/** Runs one command; never throws. */
export async function runCli(words: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const {stdout, stderr, env, version, signal} = surroundings;
  const outStyle = createStyle(wantsColor(env, stdout.isTerminal));
  const errStyle = createStyle(wantsColor(env, stderr.isTerminal));
  const commands = await loadCommands(words);
  const normalised = normaliseArguments(words, flagsOf(commands));
  // Before parsing, because errors of parsing are shown in the same way.
  const json = normalised.includes("--json");
  // Notes are worth no failure: where standard error can't be written there is nobody to read them.
  const tell = (text: string): void => void stderr.write(text).catch(() => {});
  const progress =
    stderr.isTerminal && env.TERM !== "dumb"
      ? createProgress({write: tell, columns: () => stderr.columns}, errStyle, () => performance.now())
      : silentProgress;
  const context: Context = {
    json,
    progress,
    noteStyle: errStyle,
    signal,
    note: (text) => {
      progress.clear();
      tell(`${text}\n`);
    },
    print: async ({json: document, text}: Outcome) => {
      progress.clear();
      await print(json ? `${formatJson(document)}\n` : text(outStyle, stdout.columns));
    },
  };
  async function print(text: string): Promise<void> {
    try {
      await stdout.write(text);
    } catch (error) {
      throw new CliError("CLI_FILE_WRITE", `standard output: ${reasonOf(error)}`, {cause: error});
    }
  }

  let exitCode: ExitCode = exitCodes.done;
  let helpText = "";
  const help = {
    write: (text: string) => {
      helpText += text;
    },
    style: outStyle,
    columns: Math.min(stdout.columns, 100),
  };
  const program = createProgram(commands, version, help, async (command, operands, flags) => {
    exitCode = await command.run(operands, flags, context);
  });
  try {
    try {
      await program.parseAsync(normalised, {from: "user"});
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode !== 0) throw new CliError("CLI_USAGE", usageMessage(error), {cause: error});
      await print(helpText);
    }
    return exitCode;
  } catch (error) {
    progress.clear();
    // It knows the errors of all packages, which few commands load.
    const {describeError, exitCodeOf, todoOf} = await import("./error-report.ts");
    const failure = signal.aborted ? new CliError("CLI_INTERRUPTED", "stopped", {cause: error}) : asCoded(error);
    if (json) {
      await stdout.write(`${formatJson(await describeError(failure))}\n`).catch(() => {});
    } else {
      const todo = await todoOf(failure);
      tell(`${errStyle.red("error")} ${failure.message}\n${todo === undefined ? "" : `  ${errStyle.dim(todo)}\n`}`);
    }
    if (env.TF_TRUSTED_DEBUG) tell(`${stackOf(failure)}\n`);
    return exitCodeOf(failure);
  }
}

/** Commander's `error: unknown option '--modle-file'\n(Did you mean --model-file?)` as one line. */
function usageMessage(error: CommanderError): string {
  // What commander says where a command is missing and it would have shown the help instead.
  if (error.code === "commander.help") return "no command was given; tf-trusted --help lists them";
  return error.message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .trim();
}

function asCoded(error: unknown): TfTrustedError {
  if (error instanceof TfTrustedError) return error;
  return new CliError("INTERNAL", error instanceof Error ? error.message : String(error), {cause: error});
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? `${error.stack}` : `${error.stack}\ncaused by ${stackOf(error.cause)}`;
}
