/** Files of Keras: `.keras` (a zip) and `.h5`, told by content. */
import {readZip, type Tensor, TensorError, type ZipMember} from "@tf-trusted/tensor";
import {ConvertError} from "../../convert-error.ts";
import {isObject, parseJson} from "./config.ts";
import {type Hdf5Object, isHdf5, openHdf5} from "./hdf5/hdf5-file.ts";
import {type WeightOwner, type WeightSource, weightsByPath, weightsInOrder} from "./weights.ts";

export interface KerasFile {
  readonly format: "keras" | "h5";
  readonly config: unknown;
  /** 2 or 3. */
  readonly version: number;
  /** Weights for the layers that the configuration has. */
  readonly weights: (owners: readonly WeightOwner[]) => WeightSource;
}

const configName = "config.json";
const weightsName = "model.weights.h5";
const isZip = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;

/** What of Keras the bytes are. A zip counts where it has a configuration and weights, whatever the rest is. */
export function recogniseKeras(bytes: Uint8Array, maxBytes: number): "keras" | "h5" | undefined {
  if (isHdf5(bytes)) return "h5";
  if (!isZip(bytes)) return undefined;
  try {
    const names = new Set(readZip(bytes, maxBytes).map(({name}) => name));
    return names.has(configName) && names.has(weightsName) ? "keras" : undefined;
  } catch (error) {
    if (error instanceof TensorError) return undefined;
    throw error;
  }
}

/** Throws `CONVERT_KERAS`, `CONVERT_HDF5` and `CONVERT_LIMIT`. */
export function openKeras(bytes: Uint8Array, maxBytes: number): KerasFile {
  return isHdf5(bytes) ? openLegacy(bytes, maxBytes) : openArchive(bytes, maxBytes);
}

function openArchive(bytes: Uint8Array, maxBytes: number): KerasFile {
  const members = readMembers(bytes, maxBytes);
  const read = (name: string): Uint8Array => {
    const member = members.get(name);
    if (member === undefined)
      throw new ConvertError("CONVERT_KERAS", `the archive has no ${name}; is it a .keras file?`);
    return readMember(member);
  };
  const config = parseJson(new TextDecoder().decode(read(configName)), configName);
  const metadata = members.has("metadata.json")
    ? parseJson(new TextDecoder().decode(read("metadata.json")), "metadata.json")
    : {};
  const version = majorVersion(isObject(metadata) ? metadata.keras_version : undefined, 3);
  return {format: "keras", config, version, weights: () => weightsByPath(openHdf5(read(weightsName), maxBytes))};
}

function readMembers(bytes: Uint8Array, maxBytes: number): ReadonlyMap<string, ZipMember> {
  try {
    return new Map(readZip(bytes, maxBytes).map((member) => [member.name, member]));
  } catch (error) {
    throw asKeras(error);
  }
}

function readMember(member: ZipMember): Uint8Array {
  try {
    return member.read();
  } catch (error) {
    throw asKeras(error);
  }
}

function asKeras(error: unknown): unknown {
  if (!(error instanceof TensorError)) return error;
  const code = error.code === "NPZ_TOO_LARGE" ? "CONVERT_LIMIT" : "CONVERT_KERAS";
  return new ConvertError(code, `the .keras archive: ${error.message}`, {cause: error});
}

function openLegacy(bytes: Uint8Array, maxBytes: number): KerasFile {
  const root = openHdf5(bytes, maxBytes);
  const [text] = root.strings("model_config") ?? [];
  if (text === undefined) {
    const what =
      root.hasAttribute("layer_names") || root.names().includes("layers") ? "weights alone" : "no model of Keras";
    throw new ConvertError(
      "CONVERT_KERAS",
      `the HDF5 file holds ${what}: it has no model_config; save the whole model (model.save("model.keras"))`,
    );
  }
  const config = parseJson(text, "model_config");
  const group = root.open("model_weights");
  if (group === undefined || group.isDataset)
    throw new ConvertError("CONVERT_KERAS", "the HDF5 file has no model_weights");
  const version = majorVersion((root.strings("keras_version") ?? group.strings("keras_version"))?.[0], 1);
  return {
    format: "h5",
    config,
    version,
    weights: (owners) => weightsInOrder(owners, (layer) => legacyList(group, layer)),
  };
}

function legacyList(group: Hdf5Object, layer: string): readonly {readonly name: string; readonly read: () => Tensor}[] {
  const member = group.open(layer);
  if (member === undefined) return [];
  return longList(member, "weight_names").map((name) => ({
    name,
    read: () => {
      const dataset = member.open(name);
      if (dataset === undefined || !dataset.isDataset) {
        throw new ConvertError("CONVERT_KERAS", `layer "${layer}": the file has no weight "${name}"`, {
          details: {layer},
        });
      }
      return dataset.tensor();
    },
  }));
}

/** Lists of over 64 KB are in pieces: `weight_names0`, `weight_names1`… */
function longList(object: Hdf5Object, name: string): readonly string[] {
  const whole = object.strings(name);
  if (whole !== undefined) return whole;
  const parts: string[] = [];
  for (let i = 0; ; i++) {
    const part = object.strings(`${name}${i}`);
    if (part === undefined) return parts;
    parts.push(...part);
  }
}

/** Keras 1 and 2 are one to us; what has no version is old. */
function majorVersion(value: unknown, fallback: number): number {
  const major = typeof value === "string" ? Number.parseInt(value, 10) : fallback;
  return major >= 3 ? 3 : 2;
}
