/**
 * LiteRT's C functions, called through koffi (specs/litert.md §2). Loaded in a model's own process only: a wrong argument
 * here, or a hostile file behind it, can do anything that the process can.
 */
import {createRequire} from "node:module";
import type {default as Koffi} from "koffi";
import {LitertError} from "../litert-error.ts";

export type Pointer = bigint;
/** A parameter that the callee fills in. */
export type Out<T = Pointer> = [T | null];

/** Each returns a status, 0 for success, unless it says otherwise. Names are LiteRT's without the prefix. */
export interface LiteRt {
  CreateEnvironment(count: number, options: Uint8Array, environment: Out): number;
  CreateModelFromBuffer(environment: Pointer, bytes: Pointer, size: number, model: Out): number;
  DestroyModel(model: Pointer): void;
  GetNumModelSignatures(model: Pointer, count: Out<number>): number;
  GetModelSignature(model: Pointer, index: number, signature: Out): number;
  GetSignatureKey(signature: Pointer, key: Out<string>): number;
  GetNumSignatureInputs(signature: Pointer, count: Out<number>): number;
  GetNumSignatureOutputs(signature: Pointer, count: Out<number>): number;
  GetSignatureInputName(signature: Pointer, index: number, name: Out<string>): number;
  GetSignatureOutputName(signature: Pointer, index: number, name: Out<string>): number;
  CreateOptions(options: Out): number;
  SetOptionsHardwareAccelerators(options: Pointer, accelerators: number): number;
  CreateOpaqueOptions(id: string, payload: Pointer, free: Pointer, options: Out): number;
  AddOpaqueOptions(options: Pointer, opaque: Pointer): number;
  CreateCompiledModel(environment: Pointer, model: Pointer, options: Pointer, compiled: Out): number;
  DestroyCompiledModel(compiled: Pointer): void;
  GetCompiledModelOutputTensorLayouts(
    compiled: Pointer,
    signature: number,
    count: number,
    layouts: Uint8Array,
    allocate: boolean,
  ): number;
  CreateTensorBufferFromHostMemory(type: Uint8Array, memory: Pointer, size: number, free: null, buffer: Out): number;
  CreateManagedTensorBuffer(environment: Pointer, kind: number, type: Uint8Array, size: number, buffer: Out): number;
  LockTensorBuffer(buffer: Pointer, memory: Out, mode: number): number;
  UnlockTensorBuffer(buffer: Pointer): number;
  DestroyTensorBuffer(buffer: Pointer): void;
  RunCompiledModel(
    compiled: Pointer,
    signature: number,
    inputCount: number,
    inputs: BigUint64Array,
    outputCount: number,
    outputs: BigUint64Array,
  ): number;
  CompiledModelGetErrorMessages(compiled: Pointer, messages: Out<Pointer>): number;
  CompiledModelClearErrors(compiled: Pointer): number;
}

const signatures: Readonly<Record<keyof LiteRt, string>> = {
  CreateEnvironment: "int (int, const void*, _Out_ void**)",
  CreateModelFromBuffer: "int (void*, const void*, size_t, _Out_ void**)",
  DestroyModel: "void (void*)",
  GetNumModelSignatures: "int (void*, _Out_ size_t*)",
  GetModelSignature: "int (void*, size_t, _Out_ void**)",
  GetSignatureKey: "int (void*, _Out_ const char**)",
  GetNumSignatureInputs: "int (void*, _Out_ size_t*)",
  GetNumSignatureOutputs: "int (void*, _Out_ size_t*)",
  GetSignatureInputName: "int (void*, size_t, _Out_ const char**)",
  GetSignatureOutputName: "int (void*, size_t, _Out_ const char**)",
  CreateOptions: "int (_Out_ void**)",
  SetOptionsHardwareAccelerators: "int (void*, int)",
  CreateOpaqueOptions: "int (const char*, void*, void*, _Out_ void**)",
  AddOpaqueOptions: "int (void*, void*)",
  CreateCompiledModel: "int (void*, void*, void*, _Out_ void**)",
  DestroyCompiledModel: "void (void*)",
  GetCompiledModelOutputTensorLayouts: "int (void*, size_t, size_t, void*, bool)",
  CreateTensorBufferFromHostMemory: "int (const void*, void*, size_t, void*, _Out_ void**)",
  CreateManagedTensorBuffer: "int (void*, int, const void*, size_t, _Out_ void**)",
  LockTensorBuffer: "int (void*, _Out_ void**, int)",
  UnlockTensorBuffer: "int (void*)",
  DestroyTensorBuffer: "void (void*)",
  RunCompiledModel: "int (void*, size_t, size_t, void*, size_t, void*)",
  CompiledModelGetErrorMessages: "int (void*, _Out_ void**)",
  CompiledModelClearErrors: "int (void*)",
};

/** The C library's part that the engine needs. */
export interface LibC {
  aligned_alloc(alignment: number, size: number): Pointer | null;
  free(memory: Pointer): void;
  /** Address of `free`. */
  readonly freeFunction: Pointer;
  /** A copy of `text`, allocated by `malloc`. */
  strdup(text: string): Pointer;
  pipe(ends: Int32Array): number;
  dup(descriptor: number): number;
  dup2(from: number, to: number): number;
  fcntl(descriptor: number, command: number, value: number): number;
  setrlimit(resource: number, limits: BigUint64Array): number;
  prctl(option: number, a2: number, a3: number, a4: number, a5: number): number;
  /** `syscall` with three arguments, the last of them an address. */
  syscall(number: number, a1: number, a2: number, a3: Uint8Array): number;
}

export interface Native {
  readonly litert: LiteRt;
  readonly libc: LibC;
  /** The memory at `pointer` as it is, without a copy. Dangles once it is freed. */
  view(pointer: Pointer, bytes: number): Uint8Array<ArrayBuffer>;
  address(memory: ArrayBufferView): Pointer;
  text(pointer: Pointer): string;
  errno(): number;
}

/**
 * Loads koffi's binary and the library.
 * @param addon path of `koffi.node`
 * @param library path of `libLiteRt.so` or `.dylib`, whose digest was checked
 */
export function loadNative(addon: string, library: string): Native {
  const koffi = createRequire(import.meta.url)(addon) as typeof Koffi;
  const lib = koffi.load(library);
  // The C library of this process.
  const c = koffi.load(null);
  const litert = Object.fromEntries(
    Object.entries(signatures).map(([name, signature]) => [name, lib.func(declare(`LiteRt${name}`, signature))]),
  ) as unknown as LiteRt;
  const linux = process.platform === "linux";
  const libc = {
    aligned_alloc: c.func("void* aligned_alloc(size_t, size_t)"),
    free: c.func("void free(void*)"),
    freeFunction: c.symbol("free"),
    strdup: c.func("void* strdup(const char*)"),
    pipe: c.func("int pipe(_Out_ int*)"),
    dup: c.func("int dup(int)"),
    dup2: c.func("int dup2(int, int)"),
    fcntl: variadic(c.func("int fcntl(int, int, ...)"), 2, ["int"]),
    setrlimit: c.func("int setrlimit(int, const void*)"),
    prctl: linux ? variadic(c.func("int prctl(int, ...)"), 1, Array(4).fill("long")) : missing,
    syscall: linux ? variadic(c.func("long syscall(long, ...)"), 1, ["long", "long", "const void*"]) : missing,
  } as unknown as LibC;
  return {
    litert,
    libc,
    view: (pointer, bytes) => new Uint8Array(koffi.view(pointer, bytes)),
    address: (memory) => koffi.address(memory),
    text: (pointer) => koffi.decode.string(pointer),
    errno: () => koffi.errno(),
  };
}

/** Throws `ENGINE_ERROR` unless `status` is success. */
export function check(status: number, doing: string): void {
  if (status === 0) return;
  throw new LitertError(
    "ENGINE_ERROR",
    `LiteRT failed while ${doing}: ${statusNames[status] ?? "an error"} (status ${status})`,
    {
      details: {status},
    },
  );
}

/** `LiteRtStatus` (litert/c/litert_common.h). */
const statusNames: Readonly<Record<number, string>> = {
  1: "invalid argument",
  2: "memory allocation failure",
  3: "runtime failure",
  4: "missing input argument",
  5: "unsupported",
  6: "not found",
  8: "wrong version",
  100: "cancelled",
  500: "file error",
  501: "invalid flatbuffer",
  504: "compilation failed",
  1000: "index out of bounds",
};

function declare(name: string, signature: string): string {
  const open = signature.indexOf("(");
  return `${signature.slice(0, open)}${name}${signature.slice(open)}`;
}

/** Names the types of the arguments that follow the first `fixed` ones. */
function variadic(call: (...args: readonly unknown[]) => unknown, fixed: number, types: readonly string[]) {
  return (...args: readonly unknown[]) =>
    call(...args.slice(0, fixed), ...types.flatMap((type, at) => [type, args[fixed + at]]));
}

function missing(): never {
  throw new LitertError("ENGINE_ERROR", `this is not there on ${process.platform}`);
}
