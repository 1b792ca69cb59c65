/**
 * A peer: a process that runs one model on one input. It reads a JSON document a line: first {@link PeerModel}, answered
 * with its name, then `{runs}`, answered with `{milliseconds}`, or `{}`, answered with `{outputs}`.
 */
import {type ChildProcess, spawn} from "node:child_process";
import {createInterface, type Interface} from "node:readline";

export interface PeerTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly base64: string;
}

export interface PeerModel {
  /** The file in the peer's format. */
  readonly model: string;
  readonly inputs: readonly PeerTensor[];
  readonly threads: number;
  /** For peers that start one. */
  readonly python: string;
}

/** Values as float32, whatever the model gives. */
export interface PeerOutput {
  readonly shape: readonly number[];
  readonly base64: string;
}

export type PeerRequest = PeerModel | {readonly runs: number} | Readonly<Record<string, never>>;

export class PeerProcess {
  /** With its version. */
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #errors: readonly string[];

  private constructor(name: string, child: ChildProcess, lines: AsyncIterator<string>, errors: readonly string[]) {
    this.name = name;
    this.#child = child;
    this.#lines = lines;
    this.#errors = errors;
  }

  /** Starts the process and loads the model. Throws an Error with the last that it wrote where it ends instead. */
  static async start(command: string, words: readonly string[], model: PeerModel): Promise<PeerProcess> {
    const child = spawn(command, words, {stdio: ["pipe", "pipe", "pipe"], env: {...process.env, ...quiet}});
    const reader: Interface = createInterface({input: child.stdout!});
    const lines = reader[Symbol.asyncIterator]();
    const errors: string[] = [];
    createInterface({input: child.stderr!}).on("line", (line) => {
      errors.push(line);
      if (errors.length > 20) errors.shift();
    });
    // A process that ended already is told by its missing answer.
    child.stdin!.on("error", () => {});
    const started = new PeerProcess("", child, lines, errors);
    const {name} = await started.#ask<{readonly name: string}>(model);
    return new PeerProcess(name, child, lines, errors);
  }

  /** Milliseconds of each of so many runs. */
  async run(runs: number): Promise<readonly number[]> {
    return (await this.#ask<{readonly milliseconds: readonly number[]}>({runs})).milliseconds;
  }

  async outputs(): Promise<readonly PeerOutput[]> {
    return (await this.#ask<{readonly outputs: readonly PeerOutput[]}>({})).outputs;
  }

  close(): void {
    this.#child.stdin!.end();
    this.#child.kill();
  }

  async #ask<T>(request: PeerRequest): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const {value, done} = await this.#lines.next();
    if (done === true) {
      const said = this.#errors.filter((line) => line.trim() !== "");
      throw new Error(said.findLast((line) => line.includes("Error")) ?? said.at(-1) ?? "it ended without a word");
    }
    return JSON.parse(value) as T;
  }
}

const quiet = {TF_CPP_MIN_LOG_LEVEL: "3"};
