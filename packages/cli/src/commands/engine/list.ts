/** `tf-trusted engine list`: which engines there are on this machine. */
import {
  createNativeEngine,
  createWasmEngine,
  type Engine,
  isNativeInstalled,
  LitertError,
  nativeLibraries,
  nativeLibraryPath,
  nativeTarget,
  nativeVersion,
} from "@tf-trusted/litert";
import {defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {renderTable} from "../../render/table.ts";

interface Row {
  readonly engine: string;
  readonly id: string | null;
  readonly sha256: string | null;
  /** `null` where it works. */
  readonly problem: string | null;
  readonly threads: boolean;
  readonly strings: boolean;
}

export const engineListCommand = defineCommand({
  name: "engine list",
  summary: "Show the engines of this machine",
  description:
    "Starts each, checks its files and lets it compute a known answer. `--engine auto` takes the first that works.",
  operands: [],
  flags: {},
  examples: [
    {line: "engine list", what: "the native engine after `engine install native`, and the one that is always there"},
  ],
  async run(_operands, _flags, {print, progress}) {
    progress.step("Starting the engines");
    const rows = [await native(), await row("wasm", () => createWasmEngine())];
    await print({
      json: {engines: rows.map((each) => ({...each}))},
      text: (style, columns) => {
        const cells = rows.map(({engine, id, sha256, problem}) => [
          `${problem === null ? style.green("●") : style.dim("○")} ${engine}`,
          problem === null ? (id ?? "") : style.yellow(problem),
          style.dim(sha256 ?? ""),
        ]);
        return `${renderTable([{title: "engine"}, {title: "what"}, {title: "SHA-256"}], cells, style, columns)}\n`;
      },
    });
    return exitCodes.done;
  },
});

async function native(): Promise<Row> {
  const missing = {engine: "native", id: null, sha256: null, threads: false, strings: false};
  if (nativeLibraries[nativeTarget()] === undefined) {
    return {...missing, problem: `there is none for ${nativeTarget()}`};
  }
  if (!isNativeInstalled()) {
    return {...missing, problem: `${nativeVersion} is not installed (expected ${nativeLibraryPath()})`};
  }
  return row("native", () => createNativeEngine());
}

async function row(engine: string, create: () => Promise<Engine>): Promise<Row> {
  try {
    const started = await create();
    const {id, digest, capabilities} = started;
    await started.close();
    const {threads, strings} = capabilities;
    return {engine, id, sha256: digest, problem: null, threads, strings};
  } catch (error) {
    if (!(error instanceof LitertError)) throw error;
    return {engine, id: null, sha256: null, problem: error.message, threads: false, strings: false};
  }
}
