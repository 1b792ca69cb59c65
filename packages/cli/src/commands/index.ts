/**
 * The command table, in the order in which the help lists them. A command's module is loaded when it is typed: most of the
 * time of a short command is loading.
 */
import type {Command} from "../command.ts";

const loaders: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run.ts")).runCommand,
  serve: async () => (await import("./serve.ts")).serveCommand,
  attest: async () => (await import("./attest.ts")).attestCommand,
  verify: async () => (await import("./verify.ts")).verifyCommand,
  convert: async () => (await import("./convert.ts")).convertCommand,
  inspect: async () => (await import("./inspect.ts")).inspectCommand,
  bench: async () => (await import("./bench.ts")).benchCommand,
  "engine install": async () => (await import("./engine/install.ts")).engineInstallCommand,
  "engine list": async () => (await import("./engine/list.ts")).engineListCommand,
  "enclave measure": async () => (await import("./enclave/measure.ts")).enclaveMeasureCommand,
  "quote inspect": async () => (await import("./quote/inspect.ts")).quoteInspectCommand,
  "policy init": async () => (await import("./policy/init.ts")).policyInitCommand,
  "policy check": async () => (await import("./policy/check.ts")).policyCheckCommand,
  "policy explain": async () => (await import("./policy/explain.ts")).policyExplainCommand,
};

/** The command that the words begin with; all where they begin with none, as for the help. */
export async function loadCommands(words: readonly string[]): Promise<readonly Command[]> {
  const names = [words.slice(0, 2).join(" "), words[0] ?? ""];
  const typed = names.find((name) => Object.hasOwn(loaders, name));
  return Promise.all((typed === undefined ? Object.values(loaders) : [loaders[typed]!]).map((load) => load()));
}
