/** `tf-trusted serve`: an enclave for others to call, until Ctrl-C. */
import {simulatedTees} from "@tf-trusted/attestation";
import {defaultPort, oneOf, wholeNumber} from "../arguments.ts";
import {CliError} from "../cli-error.ts";
import {defineCommand, type Flags, type FlagValues} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {choosePlatform, platformChoices} from "../serving/choose-platform.ts";
import {serveOnHardware} from "../serving/on-hardware.ts";
import {serveSimulated} from "../serving/simulated.ts";
import {engineFlags, threadsFlag} from "./prediction-flags.ts";

const flags = {
  port: {value: "PORT", parse: wholeNumber(0, 65535), help: "0 takes any free one", byDefault: String(defaultPort)},
  host: {value: "ADDRESS", help: "where to listen; 0.0.0.0 for every network", byDefault: "127.0.0.1"},
  platform: {
    value: platformChoices.join("|"),
    parse: oneOf(...platformChoices),
    help: "the kind of TEE; auto: that of this machine, and simulated where there is none",
    byDefault: "auto",
  },
  manifest: {
    value: "FILE",
    help: "with --platform gramine: what gramine-sgx-sign wrote; host, port and configuration are in it",
    byDefault: "tf-trusted.manifest.sgx",
  },
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

export type ServeFlags = FlagValues<typeof flags>;

/** Flags that only some platforms have; on others they would be ignored. */
const belongsTo = {
  simulated: ["tee", "state", "collateral-port", "policy-file"],
  gramine: ["manifest"],
} as const satisfies Readonly<Record<string, readonly (keyof ServeFlags)[]>>;
/** What the manifest fixes, so that it is measured. */
const fixedByManifest = [
  "host",
  "port",
  "threads",
  "max-batch",
  "max-delay-ms",
] as const satisfies readonly (keyof ServeFlags)[];

export const serveCommand = defineCommand({
  name: "serve",
  summary: "Run an enclave for others, until Ctrl-C",
  description:
    "In a TDX or SEV-SNP guest, or under Gramine (SGX), on that TEE; else simulated, which protects nothing against the " +
    "owner of this machine and says so. The policy that callers of a simulated enclave need goes to --policy-file, to " +
    "DIR/policy.json with --state DIR, else to standard output.",
  operands: [],
  flags,
  examples: [
    {line: "serve --port 50051 --state state", what: "the policy for callers is state/policy.json"},
    {line: "serve > policy.json", what: "a new simulated root each time"},
  ],
  async run(_operands, args, context) {
    if (args["max-delay-ms"] !== undefined && args["max-batch"] === undefined) {
      throw new CliError("CLI_USAGE", "--max-delay-ms is how long calls wait to be joined; it needs --max-batch");
    }
    const {platform, reason} = await choosePlatform(args.platform ?? "auto");
    for (const [kind, names] of Object.entries(belongsTo)) if (kind !== platform) refuse(args, names, `for ${kind}`);
    if (platform === "simulated") {
      await serveSimulated(args, reason, context);
    } else {
      if (platform === "gramine") refuse(args, fixedByManifest, "fixed by the manifest, and measured with it");
      await serveOnHardware(platform, args, context);
    }
    return exitCodes.done;
  },
});

function refuse(args: ServeFlags, names: readonly (keyof ServeFlags)[], why: string): void {
  const given = names.find((name) => args[name] !== undefined);
  if (given !== undefined) throw new CliError("CLI_USAGE", `--${given} is ${why}; leave it out`);
}
