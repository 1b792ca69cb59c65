/**
 * Calls of several callers that are run as one: their inputs one after the other along the first dimension, and of each
 * output the rows that are theirs. Only for signatures whose rows are proven to be computed apart (`Signature.batching`).
 *
 * Nobody notices the others: who cancels or runs out of time leaves, and the rest goes on; when all have left, the run is
 * stopped. When a run fails, the caller of each call that is left is none the wiser who caused it: all are run alone then.
 */
import {LitertError, type LoadedModel, type RunResult, type Signature} from "@tf-trusted/litert";
import {dtypes, Tensor} from "@tf-trusted/tensor";
import {keepBounds, type WaitingCall} from "./waiting-call.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** Rows of a call's inputs; `undefined` where they aren't exactly what the signature takes, and so have to be refused alone. */
export function rowsOf({inputs: specs}: Signature, inputs: Tensors): number | undefined {
  const first = specs[0] && Object.hasOwn(inputs, specs[0].name) ? inputs[specs[0].name] : undefined;
  const rows = first?.shape[0];
  if (rows === undefined || rows < 1 || Object.keys(inputs).length !== specs.length) return undefined;
  const fits = specs.every(({name, dtype, shape}) => {
    const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (tensor === undefined || tensor.dtype !== dtype || tensor.shape.length !== shape.length) return false;
    if (!tensor.shape.every((dim, axis) => dim === (axis === 0 ? rows : shape[axis]))) return false;
    const elements = tensor.shape.reduce((product, dim) => product * dim, 1);
    return tensor.bytes.length === elements * (dtypes[dtype].bytes ?? Number.NaN);
  });
  return fits ? rows : undefined;
}

/**
 * How many of the calls that wait, from the first on, are joined: so that the batch, whose size is a power of two or the most
 * (each size is compiled for itself), has the fewest rows of padding, and then the most calls.
 */
export function chooseCalls(rows: readonly number[], maxRows: number): {readonly calls: number; readonly size: number} {
  let best = {calls: 1, size: sizeFor(rows[0]!, maxRows), filled: 0};
  let total = 0;
  for (const [at, each] of rows.entries()) {
    total += each;
    if (total > maxRows) break;
    const size = sizeFor(total, maxRows);
    if (total / size >= best.filled) best = {calls: at + 1, size, filled: total / size};
  }
  return {calls: best.calls, size: best.size};
}

function sizeFor(rows: number, maxRows: number): number {
  return Math.min(maxRows, 2 ** Math.ceil(Math.log2(rows)));
}

/** What became of a joined run. */
export interface JoinedRun {
  readonly engineMs: number;
  /** Where it failed: the calls that still wait for an answer. */
  readonly failed?: {readonly calls: readonly WaitingCall[]; readonly error: unknown};
}

/** Answers the calls, which have left no queue's bounds behind; never rejects. `size`: rows to run, the last ones zeros. */
export async function runJoined(
  model: LoadedModel,
  signature: Signature,
  calls: readonly WaitingCall[],
  size: number,
): Promise<JoinedRun> {
  const waiting = new Map<WaitingCall, () => void>();
  const everybodyLeft = new AbortController();
  const answered = (call: WaitingCall) => {
    waiting.get(call)?.();
    waiting.delete(call);
  };
  for (const call of calls) {
    const leave = (error: LitertError) => {
      answered(call);
      call.reject(error);
      if (waiting.size === 0) everybodyLeft.abort(error);
    };
    waiting.set(call, keepBounds(call, "was over while it ran", leave));
  }
  const inputs = joinInputs(signature, calls, size);
  try {
    const {outputs, engineMs} = await run(model, signature, inputs, everybodyLeft.signal);
    try {
      const bounds = boundsOf(calls);
      for (const [at, call] of calls.entries()) {
        if (!waiting.has(call)) continue;
        answered(call);
        call.resolve({outputs: rowsOfOutputs(outputs, bounds[at]!, bounds[at + 1]!), engineMs});
      }
    } finally {
      for (const {bytes} of Object.values(outputs)) bytes.fill(0);
    }
    return {engineMs};
  } catch (error) {
    const left = [...waiting.keys()];
    for (const call of left) answered(call);
    return {engineMs: 0, failed: {calls: left, error}};
  } finally {
    for (const {bytes} of Object.values(inputs)) bytes.fill(0);
  }
}

async function run(model: LoadedModel, signature: Signature, inputs: Tensors, signal: AbortSignal): Promise<RunResult> {
  const result = await model.run(signature.name, inputs, {signal});
  const [rows] = Object.values(inputs).map(({shape}) => shape[0]);
  const wrong = signature.outputs.find(({name}) => result.outputs[name]?.shape[0] !== rows);
  if (wrong === undefined) return result;
  for (const {bytes} of Object.values(result.outputs)) bytes.fill(0);
  throw new LitertError("ENGINE_ERROR", `output "${wrong.name}" of a batch hasn't as many rows as went in`);
}

/** Where each call's rows begin, and where the last ones end. */
function boundsOf(calls: readonly WaitingCall[]): readonly number[] {
  const bounds = [0];
  for (const {rows} of calls) bounds.push(bounds.at(-1)! + rows!);
  return bounds;
}

function joinInputs({inputs: specs}: Signature, calls: readonly WaitingCall[], size: number): Tensors {
  return Object.fromEntries(
    specs.map(({name, dtype, shape: [, ...rest]}) => {
      const {bytes: first, shape} = calls[0]!.inputs[name]!;
      const joined = new Uint8Array(size * (first.length / shape[0]!));
      let at = 0;
      for (const {inputs} of calls) {
        joined.set(inputs[name]!.bytes, at);
        at += inputs[name]!.bytes.length;
      }
      return [name, new Tensor(dtype, [size, ...rest], joined)] as const;
    }),
  );
}

/** Copies: nobody gets a view of memory that holds what others were answered. */
function rowsOfOutputs(outputs: Tensors, from: number, to: number): Tensors {
  return Object.fromEntries(
    Object.entries(outputs).map(
      ([
        name,
        {
          dtype,
          shape: [rows, ...rest],
          bytes,
        },
      ]) => {
        const width = bytes.length / rows!;
        return [name, new Tensor(dtype, [to - from, ...rest], bytes.slice(from * width, to * width))];
      },
    ),
  );
}
