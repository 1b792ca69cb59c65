/** The real command as a process, for the tests of this folder. */
import {type ChildProcess, spawn} from "node:child_process";
import {mkdtemp, readdir, readFile, rm, symlink} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";

/** Of the repository, from tests/dist/cli. */
export const repository: string = fileURLToPath(new URL("../../..", import.meta.url));
export const mainScript: string = join(repository, "packages/cli/bin/tf-trusted.js");

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves with the match once standard error has it; rejects where the process ends before. */
  readonly saw: (pattern: RegExp) => Promise<RegExpExecArray>;
}

/** Starts `tf-trusted` in `cwd`. */
export function startCli(words: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Started {
  return started(process.execPath, [mainScript, ...words], cwd, env);
}

/** Starts the command of another installation. */
export function startScript(script: string, words: readonly string[], cwd: string): Started {
  return started(process.execPath, [script, ...words], cwd, {});
}

/** Runs `tf-trusted` to its end. */
export function runCli(
  words: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return startCli(words, cwd, env).finished;
}

/** Starts a line as a shell would, with `tf-trusted` as a command. */
export function startShell(line: string, cwd: string): Started {
  const script = line.replace(/^tf-trusted/, `exec '${process.execPath}' '${mainScript}'`);
  return started("/bin/sh", ["-c", script], cwd, {});
}

/** Nothing may outlive the tests, also where the runner stops them for taking too long. */
const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});
process.once("SIGTERM", () => process.exit(1));

function started(file: string, words: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Started {
  const {NO_COLOR, FORCE_COLOR, ...inherited} = process.env;
  const child = spawn(file, words, {cwd, env: {...inherited, ...env}, stdio: ["ignore", "pipe", "pipe"]});
  children.add(child);
  child.once("close", () => children.delete(child));
  let stdout = "";
  let stderr = "";
  const watchers = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    for (const watch of watchers) watch();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({code, stdout, stderr}));
  });
  return {
    process: child,
    finished,
    saw: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          const match = pattern.exec(stderr);
          if (match === null) return;
          watchers.delete(watch);
          resolve(match);
        };
        watchers.add(watch);
        watch();
        finished.then(({code}) => reject(new Error(`ended with ${code} before ${pattern}: ${stderr}`)), reject);
      }),
  };
}

/** A folder of its own, with `fixtures` as in a clone; and a function that removes it. */
export async function workFolder(): Promise<{readonly folder: string; readonly remove: () => Promise<void>}> {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-cli-"));
  await symlink(join(repository, "fixtures"), join(folder, "fixtures"));
  return {folder, remove: () => rm(folder, {recursive: true, force: true})};
}

export interface Server {
  readonly address: string;
  /** What it says to standard error when it is ready. */
  readonly banner: string;
  readonly stop: () => Promise<Finished>;
}

/** `tf-trusted serve` on a free port, its policy in `state/policy.json`. */
export async function startServer(cwd: string, ...flags: readonly string[]): Promise<Server> {
  const {process: child, finished, saw} = startCli(["serve", "--port", "0", "--state", "state", ...flags], cwd);
  const {input: banner, 1: address} = await saw(/listening on (\S+)[\s\S]*Ctrl-C/);
  return {
    address: address!,
    banner,
    stop: () => {
      child.kill("SIGINT");
      return finished;
    },
  };
}

/** Process ids of enclaves that are children of `pid`. Linux only. */
export async function enclavesOf(pid: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const parent = /^PPid:\s*(\d+)/m.exec(await readFile(`/proc/${name}/status`, "utf8"))?.[1];
      const command = await readFile(`/proc/${name}/cmdline`, "utf8");
      if (Number(parent) === pid && command.includes("enclave.mjs")) found.push(Number(name));
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** Whether a process is there and no zombie. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    return !/^State:\s*Z/m.test(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
