/**
 * The enclave's process with nothing inherited: no environment, one descriptor (the control channel) and a pipe for its
 * events.
 */
import {spawn} from "node:child_process";
import type {Duplex} from "node:stream";
import type {Evidence} from "@tf-trusted/attestation";
import {EnclaveError} from "../enclave-error.ts";
import type {EnclaveEvent} from "../events.ts";
import {type EnclaveMessage, type LauncherMessage, openChannel} from "../platforms/control-channel.ts";
import {encodeEvidence} from "../platforms/simulated.ts";
import {followEvents} from "./follow-events.ts";
import {startRefused} from "./start-refused.ts";

const readyWithinMs = 60_000;
const stopWithinMs = 5_000;

export interface ProcessOptions {
  readonly node: string;
  readonly folder: string;
  readonly nodeArguments: readonly string[];
  readonly start: LauncherMessage;
  /** Only for the simulated platform; guests ask their own. */
  readonly quote: ((reportData: Uint8Array) => Promise<Evidence>) | undefined;
  readonly onEvent: ((event: EnclaveEvent) => void) | undefined;
}

export interface EnclaveExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface EnclaveProcess {
  readonly pid: number;
  readonly port: number;
  /** What its evidence says, hexadecimal. */
  readonly measurement: string;
  /** Whether `stop` was called. */
  readonly expected: boolean;
  readonly exited: Promise<EnclaveExit>;
  stop(): Promise<void>;
}

export async function startProcess({
  node,
  folder,
  nodeArguments,
  start,
  quote,
  onEvent,
}: ProcessOptions): Promise<EnclaveProcess> {
  // Descriptors: 0, 1 nothing; 2 events; 3 the control channel. Node opens its own others with close-on-exec.
  // The folder: Node 24 lets workers read all that lies under the directory in which the process was started.
  const child = spawn(node, nodeArguments, {env: {}, cwd: folder, stdio: ["ignore", "ignore", "pipe", "pipe"]});
  const lastWords = followEvents(child, onEvent);
  const exited = new Promise<EnclaveExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({code, signal}));
    child.once("error", () => resolve({code: null, signal: null}));
  });
  const killChild = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", killChild);
  void exited.then(() => process.off("exit", killChild));

  const socket = child.stdio[3] as Duplex;
  socket.on("error", () => {
    // The process has ended; `exited` tells.
  });
  let expected = false;
  let timer: NodeJS.Timeout | undefined;
  const {port, measurement} = await new Promise<Extract<EnclaveMessage, {kind: "ready"}>>((resolve, reject) => {
    const refuse = (error: EnclaveError) => {
      reject(error);
      child.kill("SIGKILL");
    };
    const fail = (found: string) =>
      refuse(new EnclaveError("LAUNCH_FAILED", `${found}${lastWords()}; expected it to listen`));
    const channel = openChannel<EnclaveMessage, LauncherMessage>(socket, (message) => {
      if (message.kind === "ready") resolve(message);
      if (message.kind === "failed") refuse(startRefused(message.code, `${message.message}${lastWords()}`));
      if (message.kind !== "quote") return;
      const {id, reportData} = message;
      if (quote === undefined) {
        channel.send({kind: "no-evidence", id});
        return;
      }
      quote(Uint8Array.from(Buffer.from(reportData, "base64"))).then(
        (evidence) => channel.send(encodeEvidence(id, evidence)),
        () => channel.send({kind: "no-evidence", id}),
      );
    });
    child.once("error", ({message}) => fail(`${node} can't be run (${message})`));
    void exited.then(({code, signal}) => fail(`the process ended with ${signal ?? code}`));
    timer = setTimeout(() => fail(`nothing came within ${readyWithinMs} ms`), readyWithinMs);
    channel.send(start);
  }).finally(() => clearTimeout(timer));

  return {
    pid: child.pid!,
    port,
    measurement,
    get expected() {
      return expected;
    },
    exited,
    stop: async () => {
      expected = true;
      socket.write('{"kind":"stop"}\n');
      const kill = setTimeout(killChild, stopWithinMs);
      await exited;
      clearTimeout(kill);
      socket.destroy();
    },
  };
}
