/** `tf-trusted serve`: an enclave for others to call, until Ctrl-C. */
import {join} from "node:path";
import {simulatedTees} from "@tf-trusted/attestation";
import type {ChosenEngine, EnclaveEvent} from "@tf-trusted/enclave";
import {defaultPort, oneOf, wholeNumber} from "../arguments.ts";
import {CliError} from "../cli-error.ts";
import {type Context, defineCommand, type Flags} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {writeOutputFile} from "../files.ts";
import {launchWishes} from "../open-session.ts";
import {formatJson} from "../render/json.ts";
import type {Style} from "../render/style.ts";
import {openSimulatedMachine} from "../simulated-state.ts";
import {engineFlags, threadsFlag} from "./prediction-flags.ts";

const platforms = ["auto", "simulated", "gramine", "tdx", "snp"] as const;

const flags = {
  port: {value: "PORT", parse: wholeNumber(0, 65535), help: "0 takes any free one", byDefault: String(defaultPort)},
  host: {value: "ADDRESS", help: "where to listen; 0.0.0.0 for every network", byDefault: "127.0.0.1"},
  platform: {value: platforms.join("|"), parse: oneOf(...platforms), help: "the kind of TEE", byDefault: "auto"},
  tee: {
    value: simulatedTees.join("|"),
    parse: oneOf(...simulatedTees),
    help: "what the simulated platform plays",
    byDefault: "sgx, or what --state keeps",
  },
  ...engineFlags,
  ...threadsFlag,
  "max-batch": {
    value: "N",
    parse: wholeNumber(1, 128),
    help: "run up to N rows of several callers as one, of models proven to treat rows apart",
    byDefault: "1: never",
  },
  "max-delay-ms": {
    value: "MS",
    parse: wholeNumber(0, 10_000),
    help: "how long a call waits for others to be joined with, even where a worker is free",
    byDefault: "0",
  },
  state: {value: "DIR", help: "keep the simulated root there, so that policies outlive a restart"},
  "collateral-port": {
    value: "PORT",
    parse: wholeNumber(0, 65535),
    help: "serve the simulated vendor's collateral there, as a PCCS or KDS does, and send none with the evidence",
  },
  "policy-file": {value: "FILE", help: "write the policy there"},
  events: {help: "show the enclave's events on standard error, a JSON document a line"},
} as const satisfies Flags;

export const serveCommand = defineCommand({
  name: "serve",
  summary: "Run an enclave for others, until Ctrl-C",
  description:
    "Today on the simulated platform only, which protects nothing against the owner of this machine. The policy that " +
    "callers need goes to --policy-file, to DIR/policy.json with --state DIR, else to standard output.",
  operands: [],
  flags,
  examples: [
    {line: "serve --port 50051 --state state", what: "the policy for callers is state/policy.json"},
    {line: "serve > policy.json", what: "a new simulated root each time"},
  ],
  async run(_operands, args, context) {
    const {print, progress, note, json, signal} = context;
    refusePlatform(args.platform ?? "auto");
    if (args["max-delay-ms"] !== undefined && args["max-batch"] === undefined) {
      throw new CliError("CLI_USAGE", "--max-delay-ms is how long calls wait to be joined; it needs --max-batch");
    }
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
      if (!json) showBanner(context, enclave.address, process.engine!, path, collateral, process.altered);
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
      await aborted(signal);
      progress.step("Stopping the enclave");
    } finally {
      await enclave.stop();
      await service?.close();
      progress.clear();
    }
    return exitCodes.done;
  },
});

function refusePlatform(platform: (typeof platforms)[number]): void {
  if (platform === "auto" || platform === "simulated") return;
  throw new CliError("CLI_PLATFORM", `${platform} is not in this version; expected auto or simulated`);
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

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), {once: true});
  });
}
