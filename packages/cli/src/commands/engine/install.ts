/** `tf-trusted engine install native`: LiteRT's C library out of Google's Python wheel, checked, into its place. */
import {spawn} from "node:child_process";
import {mkdtemp, readdir, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {installNativeLibrary, nativeLibraries, nativeTarget, nativeVersion} from "@tf-trusted/litert";
import {CliError} from "../../cli-error.ts";
import {type Context, defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {readInputFile} from "../../files.ts";
import {printable} from "../../render/style.ts";

const wheel = "ai-edge-litert";
/** The library is the same in the wheels for all of them. */
const pythonVersion = "3.12";

/** The first of these that can be started; Python itself isn't needed. */
const pips: readonly (readonly string[])[] = [["python3", "-m", "pip"], ["pip3"], ["pip"], ["python", "-m", "pip"]];

export const engineInstallCommand = defineCommand({
  name: "engine install",
  summary: "Install the native engine",
  description:
    `Takes LiteRT's C library from the Python package ${wheel} ${nativeVersion} (Apache-2.0), which pip downloads, or from a ` +
    "wheel or library that you have. Whatever brought it: only the pinned bytes are installed, and nothing of the package " +
    "is run. TF_TRUSTED_ENGINES names another folder than the user's.",
  operands: [{name: "ENGINE", help: "native: the only one to install"}],
  flags: {from: {value: "FILE", help: `a wheel of ${wheel}, or the library`, byDefault: "pip download"}},
  examples: [
    {line: "engine install native", what: "needs pip, and the package index that pip is set up for"},
    {line: `engine install native --from ai_edge_litert-${nativeVersion}.whl`, what: "without a network"},
  ],
  async run([engine], {from}, context) {
    if (engine !== "native") throw new CliError("CLI_USAGE", `found engine ${engine}, expected native`);
    const source = from === undefined ? await download(context) : await readInputFile(from);
    context.progress.step("Checking the library");
    const library = await installNativeLibrary(source);
    const {sha256} = nativeLibraries[nativeTarget()]!;
    await context.print({
      json: {engine: "native", version: nativeVersion, target: nativeTarget(), library, sha256},
      text: (style) =>
        `${style.green("●")} native ${nativeVersion} ${nativeTarget()}\n  ${library}\n  sha256 ${sha256}\n`,
    });
    return exitCodes.done;
  },
});

/** The wheel, by pip as it is set up here. Throws `CLI_DOWNLOAD`. */
async function download({progress, signal}: Context): Promise<Uint8Array> {
  const pin = nativeLibraries[nativeTarget()];
  if (pin === undefined) {
    throw new CliError(
      "CLI_PLATFORM",
      `there is no native engine for ${nativeTarget()}; the wasm engine needs no installation`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    progress.step(`Downloading ${wheel} ${nativeVersion}`);
    const download = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"];
    const what = ["--platform", pin.tag, "--python-version", pythonVersion, "--implementation", "cp", "--dest", folder];
    await runPip([...download, ...what, `${wheel}==${nativeVersion}`], signal);
    const [name] = (await readdir(folder)).filter((each) => each.endsWith(".whl"));
    if (name === undefined) throw new CliError("CLI_DOWNLOAD", "pip brought no wheel; give one with --from");
    return await readInputFile(join(folder, name));
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

async function runPip(args: readonly string[], signal: AbortSignal): Promise<void> {
  for (const [program, ...first] of pips) {
    const outcome = await run(program!, [...first, ...args], signal);
    if (outcome === "missing") continue;
    if (outcome === undefined) return;
    throw new CliError("CLI_DOWNLOAD", `pip failed: ${printable(outcome)}; give a wheel with --from`);
  }
  throw new CliError("CLI_DOWNLOAD", "pip isn't there; install it, or give a wheel with --from");
}

/** `undefined` if it worked, what it said if not, `missing` if there is no such program (or a Python without pip). */
async function run(program: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {stdio: ["ignore", "ignore", "pipe"], signal});
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-2_000);
    });
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") resolve("missing");
      else reject(signal.aborted ? signal.reason : error);
    });
    child.once("close", (code) => {
      if (code === 0) resolve(undefined);
      else resolve(/No module named '?pip/.test(said) ? "missing" : said.trim().split("\n").slice(-3).join(" · "));
    });
  });
}
