/** The whole command in a cold process, beside a cold process that only reads the file. */
import {spawn} from "node:child_process";
import {mkdtempSync, readdirSync, rmSync, statSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {percentiles} from "@tf-trusted/cli";

export interface ColdRun {
  readonly milliseconds: number;
  /** The most memory that the process had at once (maximum resident set). */
  readonly peakBytes: number;
}

/** Of several runs: p50 of the times and of the peaks, and the least time, which other work on the machine lengthened least. */
export interface ColdRuns extends ColdRun {
  readonly leastMs: number;
}

export interface ColdMeasurement {
  readonly file: string;
  readonly fileBytes: number;
  readonly convert: ColdRuns;
  readonly read: ColdRuns;
}

const command = fileURLToPath(new URL("../../../packages/cli/bin/tf-trusted.js", import.meta.url));

const readAll = "const all = process.argv.slice(1).map((path) => require('node:fs').readFileSync(path))";

/** Of a file or a folder; by turns, `rounds` times. */
export async function measureCold(file: string, rounds: number): Promise<ColdMeasurement> {
  const folder = mkdtempSync(join(tmpdir(), "tf-trusted-bench-"));
  const files = statSync(file).isDirectory()
    ? readdirSync(file, {withFileTypes: true, recursive: true}).flatMap((entry) =>
        entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
      )
    : [file];
  try {
    const runs = {convert: [] as ColdRun[], read: [] as ColdRun[]};
    for (let round = 0; round < rounds; round++) {
      runs.read.push(await runNode(["-e", readAll, ...files]));
      runs.convert.push(await runNode([command, "convert", file, "--output-file", join(folder, "model.tflite")]));
    }
    return {
      file,
      fileBytes: files.reduce((sum, each) => sum + statSync(each).size, 0),
      convert: middle(runs.convert),
      read: middle(runs.read),
    };
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

/**
 * Tells the peak on the way out, in kibibytes, on descriptor 3. `resourceUsage` would tell that of the process that
 * forked, where it was larger.
 */
const tellPeak = `
  import {readFileSync, writeSync} from "node:fs";
  process.on("exit", () => writeSync(3, /VmHWM:\\s*(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]));
`;
const preload = `data:text/javascript,${encodeURIComponent(tellPeak)}`;

/** Throws with what the process wrote where it fails. */
function runNode(args: readonly string[]): Promise<ColdRun> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(process.execPath, ["--import", preload, ...args], {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    const texts = ["", ""];
    [child.stdio[2], child.stdio[3]].forEach((stream, i) => {
      stream!.on("data", (data: Buffer) => {
        texts[i] += data.toString();
      });
    });
    let milliseconds = 0;
    child.on("error", reject);
    child.on("exit", () => {
      milliseconds = performance.now() - start;
    });
    child.on("close", (code) => {
      if (code === 0) resolve({milliseconds, peakBytes: Number(texts[1]) * 1024});
      else reject(new Error(`${args.join(" ")} ended with ${code}: ${texts[0]}`));
    });
  });
}

function middle(runs: readonly ColdRun[]): ColdRuns {
  const times = percentiles(runs.map((run) => run.milliseconds));
  return {milliseconds: times.p50, leastMs: times.least, peakBytes: percentiles(runs.map((run) => run.peakBytes)).p50};
}
