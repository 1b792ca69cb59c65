/** `serve` without a TEE: a machine of our own plays one, and the policy names its root. */
import {join} from "node:path";
import type {ChosenEngine, EnclaveEvent} from "@tf-trusted/enclave";
import {defaultPort} from "../arguments.ts";
import type {Context} from "../command.ts";
import type {ServeFlags} from "../commands/serve.ts";
import {writeOutputFile} from "../files.ts";
import {launchWishes} from "../open-session.ts";
import {formatJson} from "../render/json.ts";
import type {Style} from "../render/style.ts";
import {openSimulatedMachine} from "../simulated-state.ts";
import {untilAborted} from "./until-aborted.ts";

/** Serves until Ctrl-C. `reason`: why it is a simulation, where nobody asked for one. */
export async function serveSimulated(args: ServeFlags, reason: string | undefined, context: Context): Promise<void> {
  const {print, progress, note, json, signal} = context;
  progress.step("Starting the enclave");
  const {launchSimulated, serveSimulatedCollateral} = await import("@tf-trusted/client");
  const platform = await openSimulatedMachine(args.state, args.tee);
  const servicePort = args["collateral-port"];
  const service =
    servicePort === undefined ? undefined : await serveSimulatedCollateral({machine: platform, port: servicePort});
  const enclave = await launchSimulated({
    platform,
    carryCollateral: service === undefined,
    ...launchWishes(args.engine, {
      threads: args.threads,
      maxBatch: args["max-batch"],
      maxDelayMs: args["max-delay-ms"],
    }),
    host: args.host ?? "127.0.0.1",
    port: args.port ?? defaultPort,
    restart: true,
    onExit: ({code, signal: killer}) => note(`The enclave's process ended (${killer ?? code}); starting it again.`),
    ...(args.events && {onEvent: (event: EnclaveEvent) => note(JSON.stringify(event))}),
  }).catch(async (error: unknown) => {
    await service?.close();
    throw error;
  });
  const collateral = service === undefined ? undefined : `${platform.tee === "snp" ? "kds" : "pccs"}:${service.url}`;
  try {
    signal.throwIfAborted();
    const {policyInput: policy, process} = enclave;
    const text = `${formatJson(policy as never)}\n`;
    const path = args["policy-file"] ?? (args.state === undefined ? undefined : join(args.state, "policy.json"));
    if (path !== undefined) await writeOutputFile(path, text);
    if (!json) {
      if (reason !== undefined) note(`${reason}: this is a simulation`);
      showBanner(context, enclave.address, process.engine!, path, collateral, process.altered);
    }
    if (path === undefined || json) {
      await print({
        json: {
          address: enclave.address,
          platform: "simulated",
          tee: platform.tee,
          engine: process.engine!.engine,
          measurement: process.measurement,
          rootSpkiSha256: platform.rootSpkiSha256,
          altered: process.altered,
          collateral: collateral ?? "carried",
          policyFile: path ?? null,
          policy: policy as never,
        },
        text: () => text,
      });
    }
    await untilAborted(signal);
    progress.step("Stopping the enclave");
  } finally {
    await enclave.stop();
    await service?.close();
    progress.clear();
  }
}

function showBanner(
  {note, noteStyle: style}: Context,
  address: string,
  {engine, reason}: ChosenEngine,
  policyPath: string | undefined,
  collateral: string | undefined,
  altered: readonly string[],
): void {
  const policy = `${policyPath ?? "policy.json"}${collateral === undefined ? "" : ` --collateral ${collateral}`}`;
  note(
    [
      box(
        [
          "SIMULATED ENCLAVE: for development and tests.",
          "It protects nothing against the owner of this machine,",
          "who can read its memory and forge its evidence.",
        ],
        style,
      ),
      "",
      `${style.green("●")} listening on ${style.bold(address)}`,
      policyPath === undefined
        ? "  policy     on standard output; callers save it as policy.json"
        : `  policy     ${style.bold(policyPath)}`,
      `  engine     ${engine}${reason === undefined ? "" : style.dim(` (${reason})`)}`,
      `  verify     tf-trusted attest ${address} --policy ${policy}`,
      `  predict    tf-trusted run --server ${address} --policy ${policy} --model-file M --input-file X.npy`,
      `  stop       Ctrl-C`,
      ...(altered.length > 0
        ? [`${style.red("altered")} ${altered.join(", ")}: callers that pin the build will refuse`]
        : []),
      "",
    ].join("\n"),
  );
}

function box(lines: readonly string[], style: Style): string {
  const width = Math.max(...lines.map((line) => line.length));
  const edge = "─".repeat(width + 2);
  return [
    style.yellow(`┌${edge}┐`),
    ...lines.map((line, i) => {
      const text = line.padEnd(width);
      return `${style.yellow("│")} ${i === 0 ? style.bold(style.yellow(text)) : text} ${style.yellow("│")}`;
    }),
    style.yellow(`└${edge}┘`),
  ].join("\n");
}
