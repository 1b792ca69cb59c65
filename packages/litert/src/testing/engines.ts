/** The engines that there are on this machine: tests of what all of them promise run on each. */
import {describe} from "node:test";
import type {Engine} from "../engine.ts";
import {createNativeEngine} from "../native/engine.ts";
import {isNativeInstalled, nativeTarget} from "../native/library.ts";
import {createWasmEngine} from "../wasm/engine.ts";

export interface EngineKind {
  readonly name: "wasm" | "native";
  readonly create: () => Promise<Engine>;
  /** Why it isn't there. */
  readonly missing: string | undefined;
}

export const nativeMissing: string | undefined = isNativeInstalled()
  ? undefined
  : `no native engine for ${nativeTarget()} is installed (tf-trusted engine install native)`;

export const engineKinds: readonly EngineKind[] = [
  {name: "wasm", create: () => createWasmEngine(), missing: undefined},
  {name: "native", create: () => createNativeEngine(), missing: nativeMissing},
];

/** A suite an engine; what is missing is skipped with the reason. */
export function describeEngines(define: (kind: EngineKind) => void): void {
  for (const kind of engineKinds) {
    if (kind.missing !== undefined) console.log(`${kind.name}: skipped, ${kind.missing}`);
    describe(kind.name, {skip: kind.missing ?? false}, () => define(kind));
  }
}
