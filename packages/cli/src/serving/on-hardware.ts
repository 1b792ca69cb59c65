/** `serve` on a TEE: in a TDX or SEV-SNP guest, or under Gramine. Callers bring a policy with the vendor's root. */
import type {EnclaveEvent, GuestKind} from "@tf-trusted/enclave";
import {defaultPort} from "../arguments.ts";
import type {Context} from "../command.ts";
import type {ServeFlags} from "../commands/serve.ts";
import {launchWishes} from "../open-session.ts";
import {untilAborted} from "./until-aborted.ts";

type HardwarePlatform = GuestKind | "gramine";

/** What `policy init --tee` calls them. */
const tees = {gramine: "sgx", tdx: "tdx", snp: "snp"} as const satisfies Readonly<Record<HardwarePlatform, string>>;

const noRtmr3 =
  "not extended: this kernel gives no access (Linux 6.16 does); the quote doesn't name the enclave's files";

interface Running {
  readonly address: string;
  readonly engine: string;
  /** Why it isn't the faster one. */
  readonly reason?: string | undefined;
  readonly measurement: string;
  /** Of TDX: the register that names the enclave's files; `undefined` where the kernel gives no access to it. */
  readonly rtmr3?: string | undefined;
  stop(): Promise<void>;
}

/** Serves until Ctrl-C. Throws as `launchEnclave` and `launchGramine`. */
export async function serveOnHardware(platform: HardwarePlatform, args: ServeFlags, context: Context): Promise<void> {
  const {print, progress, note, noteStyle: style, json, signal} = context;
  progress.step("Starting the enclave");
  const enclave = await (platform === "gramine"
    ? startUnderGramine(args, context)
    : startInGuest(platform, args, context));
  try {
    signal.throwIfAborted();
    const {address, engine, reason, measurement, rtmr3} = enclave;
    const tee = tees[platform];
    if (json) {
      await print({
        json: {address, platform, tee, engine, measurement, ...(platform === "tdx" && {rtmr3: rtmr3 ?? null})},
        text: () => "",
      });
    } else {
      note(
        [
          `${style.green("●")} listening on ${style.bold(address)}`,
          `  platform     ${platform}`,
          `  measurement  ${measurement}`,
          ...(platform === "tdx" ? [`  rtmr3        ${rtmr3 ?? style.yellow(noRtmr3)}`] : []),
          `  engine       ${engine}${reason === undefined ? "" : style.dim(` (${reason})`)}`,
          `  policy       tf-trusted policy init --tee ${tee} --measurement DIGEST: from \`enclave measure\`, not from here`,
          `  verify       tf-trusted attest ${address} --policy policy.json`,
          "  stop         Ctrl-C",
          "",
        ].join("\n"),
      );
    }
    await untilAborted(signal);
    progress.step("Stopping the enclave");
  } finally {
    await enclave.stop();
    progress.clear();
  }
}

async function startInGuest(platform: GuestKind, args: ServeFlags, {note}: Context): Promise<Running> {
  const {launchEnclave} = await import("@tf-trusted/enclave");
  const enclave = await launchEnclave({
    platform,
    ...launchWishes(args.engine, {
      threads: args.threads,
      maxBatch: args["max-batch"],
      maxDelayMs: args["max-delay-ms"],
    }),
    host: args.host ?? "127.0.0.1",
    port: args.port ?? defaultPort,
    restart: true,
    onExit: ({code, signal: killer}) => note(`The enclave's process ended (${killer ?? code}); starting it again.`),
    ...eventsTo(args, note),
  });
  const {address, measurement, rtmr3, engine} = enclave;
  return {address, measurement, rtmr3, engine: engine!.engine, reason: engine!.reason, stop: () => enclave.stop()};
}

async function startUnderGramine(args: ServeFlags, {note}: Context): Promise<Running> {
  const {chooseEngine, launchGramine, mayStartProcesses} = await import("@tf-trusted/enclave");
  const {engine, reason} = chooseEngine(args.engine ?? "auto", {mayStartProcesses: mayStartProcesses("gramine")});
  const enclave = await launchGramine({
    manifest: args.manifest ?? "tf-trusted.manifest.sgx",
    onExit: ({code, signal: killer}) => note(`The enclave ended (${killer ?? code}).`),
    ...eventsTo(args, note),
  });
  const {port, measurement} = enclave;
  return {address: `127.0.0.1:${port}`, measurement, engine, reason, stop: () => enclave.stop()};
}

function eventsTo({events}: ServeFlags, note: Context["note"]) {
  return events ? {onEvent: (event: EnclaveEvent) => note(JSON.stringify(event))} : {};
}
