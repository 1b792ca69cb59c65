/**
 * The process of one model, seen from the one that started it. It has no environment but one setting, no descriptors but
 * its channel and a pipe for its last words. Its end, whatever the reason, is an error of one call. What it answers is
 * checked: a hostile model may have taken it over.
 */
import {type ChildProcess, spawn} from "node:child_process";
import {once} from "node:events";
import {dirname} from "node:path";
import type {Duplex, Readable} from "node:stream";
import type {Limits} from "../engine.ts";
import {LitertError} from "../litert-error.ts";
import {type Answer, fromWire, type Request} from "../messages.ts";
import {type Bounds, type ModelHost, OpenRequest} from "../model-host.ts";
import {AnswerReader} from "./answer-reader.ts";
import {statusFile} from "./confine.ts";
import {encodeDocument, type ProcessStart, type RequestDocument} from "./frames.ts";
import type {NativeFiles} from "./library.ts";

export interface ProcessOptions {
  readonly files: NativeFiles;
  readonly limits: Limits;
  readonly threads: number;
  readonly memoryBytes: number;
}

/** Characters of what the process wrote to standard error that are kept, the last ones. */
const maxLastWords = 4_000;
/** Characters of them in a message. */
const shownWords = 300;

export class ModelProcess implements ModelHost {
  readonly #child: ChildProcess;
  readonly #channel: Duplex & {ref(): void; unref(): void};
  readonly #request = new OpenRequest();
  readonly #closed: Promise<unknown>;
  #lastWords = "";
  #hasAnswered = false;

  /** @param file isn't changed while the process lives */
  constructor({files, limits, threads, memoryBytes}: ProcessOptions, file: Uint8Array) {
    const {node = process.execPath, entry, addon, library, readable = ["*"]} = files;
    this.#child = spawn(node, [...nodeFlags(readable), entry, addon, library], {
      // Freed memory is overwritten (specs/litert.md §10.5).
      env: {GLIBC_TUNABLES: "glibc.malloc.perturb=165"},
      cwd: dirname(entry),
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      // Ctrl-C is for whoever started it.
      detached: true,
    });
    this.#closed = once(this.#child, "close").catch(() => {
      // It couldn't be started: "error" tells.
    });
    this.#channel = this.#child.stdio[3] as Duplex & {ref(): void; unref(): void};
    this.#listen(limits);
    const start: ProcessStart = {kind: "start", limits, threads, memoryBytes};
    this.#write({...start, sizes: [file.length]}, [file]);
    this.#hold(false);
  }

  /** Of the process, while it lives. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ended(): boolean {
    return this.#request.ended;
  }

  async ask(request: Request, bounds: Bounds = {}): Promise<Answer> {
    this.#hold(true);
    try {
      const answer = await this.#request.ask(
        () => this.#send(request),
        bounds,
        () => this.#kill(),
      );
      this.#hasAnswered = true;
      if (answer.kind === "failed") throw fromWire(answer.error);
      // The process read its own copy.
      return answer.kind === "outputs" && request.kind === "run" ? {...answer, inputs: request.inputs} : answer;
    } finally {
      // One that is being stopped keeps the program until it is gone: someone may wait for that.
      if (!this.#request.ended) this.#hold(false);
    }
  }

  async terminate(): Promise<void> {
    this.#request.end(new LitertError("CANCELLED", "the model was closed during the call"));
    this.#hold(true);
    this.#kill();
    await this.#closed;
  }

  #listen(limits: Limits): void {
    const child = this.#child;
    const reader = new AnswerReader(limits, (answer) => {
      if (this.#request.isOpen) this.#request.answered(answer);
      else this.#distrust("it answered what nobody asked");
    });
    this.#channel.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
        // It was copied, and what it came in is used again for whatever comes next.
        chunk.fill(0);
      } catch (cause) {
        this.#distrust(cause instanceof Error ? cause.message : "it broke the protocol");
      }
    });
    // Broken pipes: the process has ended, and "close" tells how.
    this.#channel.on("error", () => {});
    const words = child.stderr as Readable;
    words.setEncoding("utf8");
    words.on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-maxLastWords);
    });
    child.on("error", (cause) => {
      this.#request.end(
        new LitertError("ENGINE_ERROR", `the model's process can't be started (${cause.message})`, {cause}),
      );
    });
    child.on("close", (code, signal) => this.#request.end(this.#obituary(code, signal)));
  }

  #distrust(found: string): void {
    this.#request.end(new LitertError("ENGINE_CRASHED", `the model's process answered nonsense: ${found}`));
    this.#kill();
  }

  #obituary(code: number | null, signal: string | null): LitertError {
    const lines = this.#lastWords.split("\n").filter((line) => !/^(INFO|VERBOSE|WARNING)/.test(line));
    const words = lines.join(" ").replaceAll(/\s+/g, " ").trim().slice(0, shownWords);
    const said = words === "" ? "" : `, saying: ${words}`;
    if (/bad_alloc|out of memory|cannot allocate memory/i.test(this.#lastWords)) {
      return new LitertError("OUT_OF_MEMORY", `the model's process used more memory than it may${said}`);
    }
    return new LitertError(
      this.#hasAnswered || signal !== null ? "ENGINE_CRASHED" : "ENGINE_ERROR",
      `the model's process ended with ${signal ?? `exit code ${code}`}${said}`,
      {details: {signal: signal ?? ""}},
    );
  }

  #send(request: Request): void {
    if (request.kind === "run") {
      const {inputs, ...rest} = request;
      this.#write({...rest, sizes: inputs.map(({length}) => length)}, inputs);
    } else this.#write(request, []);
  }

  #write(document: RequestDocument, tensors: readonly Uint8Array[]): void {
    this.#channel.cork();
    this.#channel.write(encodeDocument(document));
    for (const bytes of tensors) if (bytes.length > 0) this.#channel.write(bytes);
    this.#channel.uncork();
  }

  #kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** A loaded model alone doesn't keep a program running; a call does. */
  #hold(hold: boolean): void {
    const words = this.#child.stderr as Readable & {ref(): void; unref(): void};
    for (const each of [this.#child, this.#channel, words]) {
      if (hold) each.ref();
      else each.unref();
    }
  }
}

/** No writing, no children, no workers; reading as told. Node 20 has the permission model under another name. */
function nodeFlags(readable: readonly string[]): readonly string[] {
  const permission = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";
  return [
    permission,
    "--allow-addons",
    ...[...readable, statusFile].map((path) => `--allow-fs-read=${path}`),
    "--no-warnings",
    "--disable-proto=delete",
    // Threads that compile JavaScript aside: there is little of it, and models want the cores.
    "--v8-pool-size=1",
  ];
}
