/**
 * A model's process that its model has taken over: no front, and each signature a misdeed of its own. For tests of what
 * holds even then. `prepare` gives the file to the library as it is.
 */
import {createRequire} from "node:module";
import type {default as Koffi} from "koffi";
import type {NativeRuntime} from "../native/instance.ts";
import {type HeldModel, serveModel} from "../native/serve-model.ts";

/** What `run` does, by signature. */
const misdeeds = ["crash", "abort", "hang", "allocate", "escape", "read a file", "write nonsense"] as const;

class Misbehaving implements HeldModel {
  readonly heapBytes = 0;
  readonly signatures = [];
  readonly #runtime: NativeRuntime;
  readonly #file: Uint8Array;
  readonly #koffi: typeof Koffi;

  constructor(file: Uint8Array, runtime: NativeRuntime) {
    this.#file = file;
    this.#runtime = runtime;
    this.#koffi = createRequire(import.meta.url)(process.argv[2]!) as typeof Koffi;
  }

  async prepare(): Promise<void> {
    (await this.#runtime.instances(this.#file, [])).wipe();
  }

  async warmUp(): Promise<void> {}

  async run(index: number): ReturnType<HeldModel["run"]> {
    const results = await this.#do(misdeeds[index]!);
    return {outputs: [{shape: [results.length], bytes: Uint8Array.from(results)}], engineMs: 0};
  }

  async renew(): Promise<void> {}

  wipe(): void {}

  async #do(misdeed: (typeof misdeeds)[number]): Promise<readonly number[]> {
    const c = this.#koffi.load(null);
    const memset = c.func("void* memset(void*, int, size_t)");
    switch (misdeed) {
      case "crash":
        memset(8n, 1, 1);
        return [];
      case "abort":
        c.func("void abort()")();
        return [];
      case "hang":
        for (;;);
      case "allocate": {
        const malloc = c.func("void* malloc(size_t)");
        const step = 1 << 26;
        let total = 0;
        for (let block = malloc(step); block !== null; block = malloc(step)) {
          memset(block, 1, step);
          total++;
        }
        return [Math.min(255, total)];
      }
      case "escape":
        return escapes.map(([declaration, ...args]) => (c.func(declaration)(...args) === -1 ? 0 : 1));
      case "read a file":
        return [createRequire(import.meta.url)("node:fs").readFileSync("/etc/hostname").length];
      case "write nonsense":
        c.func("long write(int, const void*, size_t)")(
          3,
          Buffer.from("\u00ff\u00ff\u00ff\u007fnonsense", "latin1"),
          12,
        );
        return [];
    }
  }
}

/** Calls that have to fail with -1. */
const escapes: readonly (readonly [string, ...unknown[]])[] = [
  ["int open(const char*, int)", "/etc/passwd", 0],
  ["int open(const char*, int)", "/proc/self/mem", 2],
  ["int creat(const char*, int)", "/tmp/tf-trusted-escape", 0o600],
  ["int socket(int, int, int)", 2, 1, 0],
  ["int socket(int, int, int)", 1, 1, 0],
  ["int fork()"],
  ["int execv(const char*, void*)", "/bin/true", null],
  ["int kill(int, int)", process.ppid, 0],
  ["long ptrace(int, int, void*, void*)", 16, process.ppid, null, null],
  ["long process_vm_readv(int, void*, size_t, void*, size_t, size_t)", process.ppid, null, 0, null, 0, 0],
  ["int mkdir(const char*, int)", "/tmp/tf-trusted-escape", 0o700],
  ["int unshare(int)", 0x10000000],
  ["int chdir(const char*)", "/"],
];

await serveModel((file, runtime) => new Misbehaving(file, runtime));
