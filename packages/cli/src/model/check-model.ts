/** `convert --check`: the converted model in the engine beside what TensorFlow's graph computes, on the same inputs. */
import {compareOutputs, type OutputDifference} from "@tf-trusted/convert";
import {createWasmEngine, defaultSignature} from "@tf-trusted/litert";
import {dtypes, elementCount, isDType, Tensor} from "@tf-trusted/tensor";
import {CliError} from "../cli-error.ts";
import type {OpenedModel, Port} from "./open-model.ts";

export interface CheckResult {
  readonly outputs: readonly OutputDifference[];
  readonly engineMs: number;
  readonly referenceMs: number;
}

/** Long enough for any model that a person waits for: the reference is slower by far. */
const deadlineMs = 600_000;

/** Of a model that keeps state: what the first leave is in the last, which is compared. */
const callsWithState = 3;

/** Throws what the engine and the reference throw. `reference` must have been asked for when the model was opened. */
export async function checkModel(opened: OpenedModel, inputs: Readonly<Record<string, Tensor>>): Promise<CheckResult> {
  if (opened.reference === undefined) {
    throw new CliError(
      "CLI_USAGE",
      `--check compares with TensorFlow's graph, but ${opened.path} is TensorFlow Lite already`,
    );
  }
  const {reference, signature = defaultSignature} = opened;
  const engine = await createWasmEngine();
  try {
    const model = await engine.load(opened.model);
    const isStateful = model.signatures.some((each) => each.name === signature && each.stateful);
    const repeat = async <T>(run: () => T | Promise<T>): Promise<T> => {
      for (let call = 1; isStateful && call < callsWithState; call++) await run();
      return run();
    };
    const real = new Map(Object.entries(realNumbers(inputs, opened.inputs)));
    const started = performance.now();
    const wanted = await repeat(() => reference(real));
    const ran = performance.now();
    const {outputs} = await repeat(() => model.run(signature, inputs, {deadlineMs}));
    return {
      outputs: compareOutputs(wanted, realNumbers(outputs, opened.outputs)),
      engineMs: performance.now() - ran,
      referenceMs: ran - started,
    };
  } finally {
    await engine.close();
  }
}

/** What integers on levels stand for: TensorFlow's graph knows nothing of them. */
function realNumbers(
  tensors: Readonly<Record<string, Tensor>>,
  ports: readonly Port[],
): Readonly<Record<string, Tensor>> {
  const real = ports.flatMap(({name, levels}) => {
    const tensor = tensors[name];
    if (levels === undefined || tensor === undefined) return [];
    const numbers = Float32Array.from(tensor.data as ArrayLike<number>, (each) => levels.scale * (each - levels.zero));
    return [[name, Tensor.from(numbers, {shape: tensor.shape})] as const];
  });
  return {...tensors, ...Object.fromEntries(real)};
}

/**
 * Random elements for every input, the same for a seed: floats spread evenly over −1…1, whole numbers over 0…3 (they may
 * be indices) or all 256 levels, truth values. Open dimensions are 2, so that a batch is one. Throws `CLI_INPUT_DTYPE`.
 */
export function randomInputs(ports: readonly Port[], seed: number): Readonly<Record<string, Tensor>> {
  const random = generator(seed);
  return Object.fromEntries(
    ports.map(({name, dtype, shape: declared, levels}) => {
      if (!isDType(dtype) || dtypes[dtype].bytes === null) {
        throw new CliError("CLI_INPUT_DTYPE", `"${name}" takes ${dtype}, for which there are no random inputs`);
      }
      const shape = declared.map((dimension) => (dimension < 0 ? 2 : dimension));
      const {kind} = dtypes[dtype];
      const parts = kind === "complex" ? 2 : 1;
      const numbers = Float64Array.from({length: elementCount(shape) * parts}, () =>
        kind === "float" || kind === "complex" ? 2 * random() - 1 : Math.floor(random() * (kind === "bool" ? 2 : 4)),
      );
      if (levels !== undefined && (dtype === "int8" || dtype === "uint8")) {
        const bytes = Uint8Array.from({length: elementCount(shape)}, () => Math.floor(random() * 256));
        return [name, new Tensor(dtype, shape, bytes)] as const;
      }
      if (kind === "complex") {
        const part = dtype === "complex128" ? "float64" : "float32";
        const {bytes} = Tensor.from(numbers, {dtype: "float64", shape: [numbers.length]}).cast(part);
        return [name, new Tensor(dtype, shape, bytes)] as const;
      }
      return [name, Tensor.from(numbers, {dtype: "float64", shape}).cast(dtype)] as const;
    }),
  );
}

/** Mulberry32: small, and the same on every machine. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
