/**
 * The inside of a model's process. It has no environment, no descriptors but its channel and a pipe for its last words, and
 * once the library is loaded it may open none (`confine.ts`). What goes wrong in it ends it at worst.
 */
import {readSync, writeSync} from "node:fs";
import {writeModel} from "@tf-trusted/tflite";
import type {Limits} from "../engine.ts";
import {defaultLimits} from "../limits.ts";
import {type Answer, toWire} from "../messages.ts";
import {selfTestInput, selfTestModel} from "../self-test.ts";
import {WorkerModel} from "../worker-model.ts";
import {loadNative} from "./binding.ts";
import {prepareStderr} from "./captured-stderr.ts";
import {confine} from "./confine.ts";
import {decodeDocument, encodeDocument, lengthBytes, maxDocumentBytes, type RequestDocument} from "./frames.ts";
import {NativeRuntime} from "./instance.ts";
import {Arena} from "./memory.ts";

const channel = 3;
const endOfFile = 0;
/** Tensors up to this size go out in one piece with their document. */
const joinedBytes = 1 << 16;

/** A model as a process serves it: `WorkerModel`, unless a test puts something worse in its place. */
export type HeldModel = Pick<WorkerModel, "signatures" | "prepare" | "warmUp" | "run" | "renew" | "wipe" | "heapBytes">;
export type OpenModel = (file: Uint8Array, runtime: NativeRuntime, limits: Limits) => HeldModel;

/**
 * Serves until the channel ends: `node ENTRY KOFFI LIBRARY`. Reads requests from descriptor 3 and answers there, one after
 * the other, blocking.
 */
export async function serveModel(open: OpenModel): Promise<never> {
  const native = loadNative(process.argv[2]!, process.argv[3]!);
  const start = readDocument();
  if (start.kind !== "start") throw new TypeError(`found "${start.kind}", expected "start"`);
  const {limits, threads, memoryBytes, sizes} = start;
  const runtime = new NativeRuntime(native, threads);
  const file = new Arena(runtime.memory).take(sizes)[0]!;
  fill(file);
  prepareStderr(native.libc);
  await warmUp(runtime);
  confine(native, memoryBytes);
  const arena = new Arena(runtime.memory);
  let model: HeldModel | undefined;

  const done = (): Answer => ({kind: "done", memoryBytes: model!.heapBytes});
  const serve = async (request: RequestDocument): Promise<Answer> => {
    switch (request.kind) {
      case "admit":
        model = open(file, runtime, limits);
        return {kind: "admitted", signatures: model.signatures};
      case "prepare":
        await model!.prepare();
        return done();
      case "warmUp":
        await model!.warmUp();
        return done();
      case "run": {
        const inputs = arena.take(request.sizes);
        inputs.forEach(fill);
        return {
          kind: "outputs",
          ...(await model!.run(request.signature, request.shapes, inputs)),
          inputs: [],
          memoryBytes: model!.heapBytes,
        };
      }
      case "close":
        model!.wipe();
        file.fill(0);
        return done();
      default:
        throw new TypeError(`found "${request.kind}", expected a request`);
    }
  };

  for (;;) {
    const request = readDocument();
    try {
      send(await serve(request));
    } catch (error) {
      send({kind: "failed", error: toWire(error)});
    }
    try {
      await model?.renew();
    } catch {
      // The next call compiles again, and is told if that fails.
    }
  }
}

/** Runs the library once, which then reads what it wants to know about the CPU: later it may not. */
async function warmUp(runtime: NativeRuntime): Promise<void> {
  const known = new WorkerModel(writeModel(selfTestModel), "native", runtime.instances, defaultLimits);
  await known.run(0, [[1, 2]], [new Uint8Array(Float32Array.from(selfTestInput).buffer)]);
  known.wipe();
}

function readDocument(): RequestDocument {
  const length = new Uint8Array(lengthBytes);
  fill(length);
  const json = new Uint8Array(Math.min(maxDocumentBytes, new DataView(length.buffer).getUint32(0, true)));
  fill(json);
  return decodeDocument(json) as RequestDocument;
}

/** Blocks until all of `bytes` is there. Whoever started this process is gone when the channel ends. */
function fill(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const read = readSync(channel, bytes, at, bytes.length - at, null);
    if (read === endOfFile) process.exit(0);
    at += read;
  }
}

/** Sends an answer and overwrites what it held. */
function send(answer: Answer): void {
  if (answer.kind !== "outputs") {
    write(encodeDocument(answer));
    return;
  }
  const {outputs, engineMs, memoryBytes} = answer;
  const sizes = outputs.map(({bytes}) => bytes.length);
  const head = encodeDocument({kind: "outputs", shapes: outputs.map(({shape}) => shape), sizes, engineMs, memoryBytes});
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const parts = [head, ...outputs.map(({bytes}) => bytes)];
  for (const bytes of total <= joinedBytes ? [Buffer.concat(parts)] : parts) write(bytes);
  for (const {bytes} of outputs) bytes.fill(0);
}

function write(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(channel, bytes, at, bytes.length - at, null);
}
