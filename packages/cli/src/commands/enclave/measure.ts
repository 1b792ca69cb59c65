/** `tf-trusted enclave measure`: the measurements that a policy should expect, of what is installed or built here. */
import {encodeHex} from "@tf-trusted/core";
import type {GramineVersion, SnpCpu, SnpVmm} from "@tf-trusted/enclave";
import {oneOf, wholeNumber} from "../../arguments.ts";
import {CliError} from "../../cli-error.ts";
import {type Context, defineCommand, type Flags, type FlagValues} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {readInputFile} from "../../files.ts";
import {formatBytes} from "../../render/quantities.ts";
import type {Style} from "../../render/style.ts";
import {renderTable} from "../../render/table.ts";
import {engineFlags} from "../prediction-flags.ts";

// Here and not from the package, which help need not load.
const gramineReleases = ["1.6.2", "1.7", "1.8", "1.9"] as const satisfies readonly GramineVersion[];
const cpus = ["EPYC", "EPYC-Rome", "EPYC-Milan", "EPYC-Genoa", "EPYC-Turin"] as const satisfies readonly SnpCpu[];
const vmms = ["qemu", "ec2", "gce"] as const satisfies readonly SnpVmm[];
const defaultLoader = "/usr/lib/x86_64-linux-gnu/gramine/sgx/libpal.so";

const flags = {
  ...engineFlags,
  files: {help: "list the measured files as well"},
  sigstruct: {value: "FILE", help: "read and verify a SIGSTRUCT, the .sig file of gramine-sgx-sign"},
  gramine: {value: "FILE", help: "MRENCLAVE under Gramine, from NAME.manifest.sgx and Gramine's loader"},
  libpal: {value: "FILE", help: "of --gramine: sgx/libpal.so of the release", byDefault: defaultLoader},
  "gramine-version": {
    value: gramineReleases.join("|"),
    parse: oneOf(...gramineReleases),
    help: "of --gramine",
    byDefault: "1.9",
  },
  tdx: {value: "FIRMWARE", help: "MRTD of a TDX guest with this firmware"},
  snp: {value: "FIRMWARE", help: "launch digest of a SEV-SNP guest with this firmware"},
  vcpus: {value: "N", parse: wholeNumber(1, 4096), help: "of --snp: virtual processors", byDefault: "1"},
  cpu: {
    value: cpus.join("|"),
    parse: oneOf(...cpus),
    help: "of --snp: QEMU's type of processor",
    byDefault: "EPYC-Milan",
  },
  vmm: {value: vmms.join("|"), parse: oneOf(...vmms), help: "of --snp: who starts the guest", byDefault: "qemu"},
  "guest-features": {value: "HEX", parse: parseFeatures, help: "of --snp: SEV_FEATURES", byDefault: "0x1"},
  kernel: {value: "FILE", help: "of --snp: direct boot; needs --initrd and --command-line as well"},
  initrd: {value: "FILE", help: "of --snp: direct boot"},
  "command-line": {value: "TEXT", help: "of --snp: direct boot"},
} as const satisfies Flags;

type MeasureFlags = FlagValues<typeof flags>;

/** What can be measured beside the installed enclave, and the flags that go with each. */
const subjects = {
  gramine: ["libpal", "gramine-version"],
  snp: ["vcpus", "cpu", "vmm", "guest-features", "kernel", "initrd", "command-line"],
} as const satisfies Readonly<Record<string, readonly (keyof MeasureFlags)[]>>;

export const enclaveMeasureCommand = defineCommand({
  name: "enclave measure",
  summary: "Print the measurement of an enclave",
  description:
    "Without a subject: reads and hashes every file of the installed enclave. That measurement is what a policy names " +
    "for simulated enclaves; ends with 1 if a file differs from what was built. --sigstruct, --gramine, --tdx and --snp " +
    "measure what was built for hardware; --sigstruct and --gramine together have to agree. RTMR3 of a TDX guest is what " +
    "our launcher makes of it.",
  operands: [],
  flags,
  examples: [
    {line: "enclave measure", what: "the measurement alone"},
    {line: "enclave measure --files", what: "and what it was made of"},
    {
      line: "enclave measure --sigstruct fixtures/measure/fixed.sig --gramine fixtures/measure/fixed.manifest.sgx --libpal fixtures/measure/libpal-stand-in.so",
      what: "what was signed is what the files give",
    },
    {
      line: "enclave measure --snp fixtures/measure/firmware-stand-in.bin --vcpus 2 --cpu EPYC-Genoa",
      what: "the launch digest of a guest",
    },
  ],
  async run(_operands, args, context) {
    for (const [subject, names] of Object.entries(subjects)) {
      const lost =
        args[subject as keyof typeof subjects] === undefined && names.find((name) => args[name] !== undefined);
      if (lost) throw new CliError("CLI_USAGE", `--${lost} is for --${subject}, which isn't there`);
    }
    if (args.sigstruct !== undefined || args.gramine !== undefined) return measureGramine(args, context);
    if (args.tdx !== undefined || args.snp !== undefined) return measureGuest(args, context);
    return measureInstalled(args, context);
  },
});

async function measureInstalled({files: listFiles, engine}: MeasureFlags, context: Context) {
  const {print, progress, note, noteStyle} = context;
  progress.step("Measuring the enclave");
  const {artefactWith, chooseEngine, encodeManifest, expectedRtmr3, measureArtefact} = await import(
    "@tf-trusted/enclave"
  );
  const chosen = chooseEngine(engine ?? "auto");
  const {measurement, expected, altered, manifest} = await measureArtefact(await artefactWith(chosen.engine));
  const rtmr3 = encodeHex(expectedRtmr3(new TextEncoder().encode(encodeManifest(manifest))));
  await print({
    json: {
      engine: chosen.engine,
      measurement,
      expected,
      altered,
      rtmr3,
      target: manifest.target,
      arguments: manifest.arguments,
      files: manifest.files.map(({name, size, sha256}) => ({name, size, sha256})),
    },
    text: (style, columns) => {
      if (!listFiles) return `${measurement}\n`;
      const rows = manifest.files.map(({name, size, sha256}) => [name, formatBytes(size), style.dim(sha256)]);
      const table = renderTable(
        [{title: "file"}, {title: "size", align: "right"}, {title: "SHA-256"}],
        rows,
        style,
        columns,
      );
      return `${measurement}\n\n${table}\n\nRTMR3 in a TDX guest  ${rtmr3}\n`;
    },
  });
  if (altered.length === 0) return exitCodes.done;
  note(`${noteStyle.red("altered")} ${altered.join(", ")}: the build's measurement was ${expected}`);
  return exitCodes.failed;
}

/** The signed file, the one made from the files, or both: then they have to agree. */
async function measureGramine(args: MeasureFlags, {print, progress}: Context) {
  progress.step("Measuring");
  const {checkGramineManifest, EnclaveError, measureGramineEnclave, parseGramineManifest, readSigstruct} = await import(
    "@tf-trusted/enclave"
  );
  const signed = args.sigstruct === undefined ? undefined : readSigstruct(await readInputFile(args.sigstruct));
  let computed: string | undefined;
  if (args.gramine !== undefined) {
    const manifest = await readInputFile(args.gramine);
    const version = args["gramine-version"] ?? "1.9";
    computed = measureGramineEnclave({manifest, libpal: await readInputFile(args.libpal ?? defaultLoader), version});
    // MRENCLAVE says nothing of what the manifest allows; whoever accepts it has to know.
    const findings = checkGramineManifest(parseGramineManifest(new TextDecoder().decode(manifest)));
    if (findings.length > 0) throw new EnclaveError("GRAMINE_UNSAFE", `${args.gramine}: ${findings.join("; ")}`);
  }
  if (signed !== undefined && computed !== undefined && signed.mrEnclave !== computed) {
    throw new EnclaveError(
      "GRAMINE_MISMATCH",
      `${args.sigstruct} signs ${signed.mrEnclave}, but the files give ${computed}`,
    );
  }
  const facts = {
    mrEnclave: (computed ?? signed?.mrEnclave)!,
    ...(signed && {
      mrSigner: signed.mrSigner,
      isvProdId: signed.isvProdId,
      isvSvn: signed.isvSvn,
      date: signed.date,
      attributes: signed.attributes,
      attributeMask: signed.attributeMask,
      miscSelect: signed.miscSelect,
    }),
  };
  const sources = [...(signed ? ["SIGSTRUCT, signature verified"] : []), ...(computed ? ["files"] : [])];
  await print({json: {...facts, sources}, text: (style) => renderFacts({...facts, from: sources.join("; ")}, style)});
  return exitCodes.done;
}

async function measureGuest(args: MeasureFlags, {print, progress}: Context) {
  progress.step("Measuring");
  const {measureSnpLaunch, measureTdxLaunch} = await import("@tf-trusted/enclave");
  const boot = await readBoot(args);
  const {vmm, "guest-features": guestFeatures} = args;
  const facts = {
    ...(args.tdx !== undefined && {mrTd: encodeHex(measureTdxLaunch(await readInputFile(args.tdx)))}),
    ...(args.snp !== undefined && {
      measurement: encodeHex(
        measureSnpLaunch({
          firmware: await readInputFile(args.snp),
          vcpus: args.vcpus ?? 1,
          cpu: args.cpu ?? "EPYC-Milan",
          ...(vmm !== undefined && {vmm}),
          ...(guestFeatures !== undefined && {guestFeatures}),
          ...(boot && {boot}),
        }),
      ),
    }),
  };
  await print({json: facts, text: (style) => renderFacts(facts, style)});
  return exitCodes.done;
}

async function readBoot({kernel, initrd, "command-line": commandLine}: MeasureFlags) {
  if (kernel === undefined && initrd === undefined && commandLine === undefined) return undefined;
  if (kernel === undefined || initrd === undefined || commandLine === undefined) {
    throw new CliError("CLI_USAGE", "direct boot takes --kernel, --initrd and --command-line, all three");
  }
  return {kernel: await readInputFile(kernel), initrd: await readInputFile(initrd), commandLine};
}

/** A line each, by the names that policies have for them. */
function renderFacts(facts: Readonly<Record<string, string | number>>, style: Style): string {
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  return Object.entries(facts)
    .map(([name, value]) => `${style.dim(name.padEnd(width))}  ${value}\n`)
    .join("");
}

function parseFeatures(text: string): bigint {
  if (!/^0x[\da-f]{1,16}$/i.test(text)) throw new Error("hexadecimal digits, as 0x1");
  return BigInt(text);
}
