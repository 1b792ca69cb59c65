/**
 * LiteRT's C library: which files are the right ones, and where they lie. It isn't on npm and is not ours to pass on, so
 * it comes out of Google's Python wheel (`install.ts`); whatever brought it, only these bytes are loaded.
 */
import {createHash} from "node:crypto";
import {existsSync} from "node:fs";
import {readFile} from "node:fs/promises";
import {createRequire} from "node:module";
import {homedir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {LitertError} from "../litert-error.ts";

/** Version of `ai-edge-litert` on PyPI. */
export const nativeVersion = "2.3.0";
/** Its licence, and that of the library in it. */
export const nativeLicence = "Apache-2.0";

export interface NativeLibraryPin {
  /** Path in the wheel. */
  readonly member: string;
  /** Platform tag of the wheel, as `pip download --platform` takes it. */
  readonly tag: string;
  readonly bytes: number;
  /** Of the library, not of the wheel: wheels for different versions of Python hold the same file. Hexadecimal. */
  readonly sha256: string;
}

/** By Node's names of platform and processor. Linux with glibc; arm64 needs glibc 2.34 (specs/litert.md §2.1). */
export const nativeLibraries: Readonly<Record<string, NativeLibraryPin>> = {
  "linux-x64": {
    member: "ai_edge_litert/libLiteRt.so",
    tag: "manylinux_2_27_x86_64",
    bytes: 8_039_424,
    sha256: "eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb",
  },
  "linux-arm64": {
    member: "ai_edge_litert/libLiteRt.so",
    tag: "manylinux_2_27_aarch64",
    bytes: 5_991_672,
    sha256: "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
  },
  "darwin-arm64": {
    member: "ai_edge_litert/libLiteRt.dylib",
    tag: "macosx_12_0_arm64",
    bytes: 6_362_912,
    sha256: "f3d8b2c3dea5125111de6b005820088629efd13db04b5f157ffd4f2c5dbb318b",
  },
};

/** `linux-x64` and the like. */
export function nativeTarget(): string {
  return `${process.platform}-${process.arch}`;
}

/** The pin for this machine. Throws `ENGINE_ERROR` where there is no library for it. */
export function nativePin(): NativeLibraryPin {
  const pin = nativeLibraries[nativeTarget()];
  if (pin !== undefined) return pin;
  throw new LitertError(
    "ENGINE_ERROR",
    `there is no native library for ${nativeTarget()}; expected ${Object.keys(nativeLibraries).join(", ")}. Use the wasm engine`,
  );
}

/** Where installed engines lie: `TF_TRUSTED_ENGINES`, else the user's folder for programs' data. */
export function enginesFolder(): string {
  const {TF_TRUSTED_ENGINES, XDG_DATA_HOME} = process.env;
  return TF_TRUSTED_ENGINES ?? join(XDG_DATA_HOME ?? join(homedir(), ".local", "share"), "tf-trusted", "engines");
}

/** Where the library of this machine lies if it is installed. */
export function nativeLibraryPath(folder: string = enginesFolder()): string {
  return join(folder, `native-${nativeVersion}-${nativeTarget()}`, nativeArtefactNames().library);
}

/** Whether the native engine can be had on this machine without more ado. The library's bytes aren't looked at. */
export function isNativeInstalled(folder: string = enginesFolder()): boolean {
  return (
    nativeLibraries[nativeTarget()] !== undefined && existsSync(nativeLibraryPath(folder)) && findAddon() !== undefined
  );
}

/** What the engine's processes run. */
export interface NativeFiles {
  /** Node.js; default: the one that runs here. */
  readonly node?: string;
  /** Entry of the process: this package's `native/child.js`, or that file bundled. */
  readonly entry: string;
  /** koffi's binary. */
  readonly addon: string;
  readonly library: string;
  /** Folders and files that the process may read before it sees a model; default: all. */
  readonly readable?: readonly string[];
}

/** The files as npm and `tf-trusted engine install native` leave them. Throws `ENGINE_ERROR` if there are none. */
export function installedNativeFiles(folder: string = enginesFolder()): NativeFiles {
  const library = nativeLibraryPath(folder);
  const addon = findAddon();
  if (addon === undefined || !existsSync(library)) {
    throw new LitertError(
      "ENGINE_ERROR",
      addon === undefined
        ? `koffi's binary for ${nativeTarget()} is not installed; run npm install without --omit=optional`
        : `the native engine is not installed (expected ${library}); run: tf-trusted engine install native`,
    );
  }
  return {entry: fileURLToPath(new URL("./child.js", import.meta.url)), addon, library};
}

/** Names of the native engine's files in an artefact for this machine. Throws `ENGINE_ERROR` where there is no library. */
export function nativeArtefactNames(): {readonly child: string; readonly addon: string; readonly library: string} {
  const {member} = nativePin();
  return {child: "native-child.mjs", addon: "koffi.node", library: member.slice(member.indexOf("/") + 1)};
}

/** Locations of an artefact's native engine, whose processes may read that folder and nothing else. */
export function artefactNativeFiles(folder: string): NativeFiles {
  const {child, addon, library} = nativeArtefactNames();
  return {
    entry: join(folder, child),
    addon: join(folder, addon),
    library: join(folder, library),
    readable: [folder],
  };
}

/**
 * What an artefact has to carry for the native engine beside the library: koffi's binary, and the entry of a model's
 * process, which the artefact's build bundles. `undefined` where there is no library for this machine.
 */
export function nativeEngineParts():
  | {readonly addon: string; readonly childEntry: string; readonly library: NativeLibraryPin}
  | undefined {
  const library = nativeLibraries[nativeTarget()];
  const addon = findAddon();
  if (library === undefined || addon === undefined) return undefined;
  return {addon, childEntry: fileURLToPath(new URL("./child.js", import.meta.url)), library};
}

/** Path of koffi's binary for this machine. */
function findAddon(): string | undefined {
  const target = nativeTarget();
  const name = `@koromix/koffi-${target}/${target.replace("-", "_")}/koffi.node`;
  try {
    // Beside koffi, wherever npm put that.
    return createRequire(createRequire(import.meta.url).resolve("koffi")).resolve(name);
  } catch {
    return undefined;
  }
}

/** Throws `ENGINE_ERROR` unless these bytes are the library that is pinned for this machine. */
export function checkNativeLibrary(bytes: Uint8Array, name: string): void {
  const pin = nativePin();
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found === pin.sha256) return;
  throw new LitertError(
    "ENGINE_ERROR",
    `${name} has SHA-256 ${found}, expected ${pin.sha256} (ai-edge-litert ${nativeVersion}, ${nativeTarget()})`,
    {details: {found, expected: pin.sha256}},
  );
}

/** Reads and checks. Throws `ENGINE_ERROR`. */
export async function readNativeLibrary(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new LitertError("ENGINE_ERROR", `${path} can't be read; run: tf-trusted engine install native`, {cause});
  }
  checkNativeLibrary(bytes, path);
  return bytes;
}
