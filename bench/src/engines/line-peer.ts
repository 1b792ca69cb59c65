/** A process that times an engine back to back: one JSON request a line, one answer a line. */
import {spawn} from "node:child_process";
import {createInterface} from "node:readline";

export interface PeerTimes {
  /** Milliseconds of the computation alone, run by run. */
  readonly invoke: readonly number[];
  /** With tensors copied in and out. */
  readonly whole: readonly number[];
}

export interface LinePeer {
  readonly version: string;
  load(path: string, threads: number): Promise<void>;
  run(runs: number): Promise<PeerTimes>;
  stop(): void;
}

/** Loads a file to see whether it works; `undefined` where it doesn't. */
export async function startPeer(
  program: string,
  args: readonly string[],
  path: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<LinePeer | undefined> {
  const child = spawn(program, args, {stdio: ["pipe", "pipe", "ignore"], env: environment});
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]();
  child.on("error", () => {
    // No such program: its output ends without a line.
  });
  child.stdin.on("error", () => {
    // It has ended; the next line tells.
  });
  const ask = async (request: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await lines.next();
    return line.done ? undefined : JSON.parse(line.value);
  };
  const first = (await ask({load: path, threads: 1})) as {readonly version: string} | undefined;
  if (first === undefined) return undefined;
  return {
    version: first.version,
    load: async (file, threads) => {
      await ask({load: file, threads});
    },
    run: async (runs) => (await ask({runs})) as PeerTimes,
    stop: () => {
      child.kill();
    },
  };
}
