/** Inputs for a benchmark of a model of which only the shapes are known. */
import {dtypes, elementCount, isDType, Tensor} from "@tf-trusted/tensor";
import {CliError} from "../cli-error.ts";
import {findByName} from "./names.ts";
import type {ModelWishes, Port} from "./open-model.ts";

/**
 * Floats between 0 and 1, the same every time; zeros for all other dtypes, because they may be indices. Open dimensions
 * are the batch size for the first and 1 for others, unless a shape was given. Throws `CLI_INPUT_DTYPE`.
 */
export function sampleInputs(
  ports: readonly Port[],
  {shapes, batchSize}: Pick<ModelWishes, "shapes" | "batchSize">,
): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    ports.map((port) => {
      const {name, dtype} = port;
      if (!isDType(dtype) || dtypes[dtype].bytes === null) {
        throw new CliError("CLI_INPUT_DTYPE", `"${name}" takes ${dtype}, for which there are no sample inputs`);
      }
      const wish = shapes.find((it) => it.name === undefined || findByName([port], it.name) !== undefined)?.shape;
      const shape = port.shape.map((dimension, axis) => {
        const asked = wish?.[axis] ?? -1;
        return dimension >= 0 ? dimension : asked >= 0 ? asked : axis === 0 ? (batchSize ?? 1) : 1;
      });
      const count = elementCount(shape);
      if (dtypes[dtype].kind !== "float") {
        return [name, new Tensor(dtype, shape, new Uint8Array(count * dtypes[dtype].bytes))] as const;
      }
      return [name, Tensor.from(sequence(count), {dtype: "float32", shape}).cast(dtype)] as const;
    }),
  );
}

/** Evenly spread over [0, 1) without a pattern: multiples of the golden ratio, without their whole part. */
function sequence(count: number): Float32Array {
  return Float32Array.from({length: count}, (_, i) => (i * 0.618_033_988_749_895) % 1);
}
