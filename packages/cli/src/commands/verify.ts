/** `tf-trusted verify`: evidence from files, without any network. */

import {dirname, resolve} from "node:path";
import {
  detectEvidence,
  evidenceOf,
  explainPolicy,
  type Policy,
  parseBundle,
  parsePolicy,
  type Report,
  renderReportHtml,
  renderReportText,
  verifyBundle,
  verifyEvidence,
} from "@tf-trusted/attestation";
import {type JsonValue, parseHex} from "@tf-trusted/core";
import {CliError} from "../cli-error.ts";
import {readCollateralFolder} from "../collateral-folder.ts";
import {defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {readInputFile, readTextFile, writeOutputFile} from "../files.ts";

export const verifyCommand = defineCommand({
  name: "verify",
  summary: "Verify a quote, report, document or bundle from files, offline",
  description:
    "FILE is an SGX or TDX quote, an SEV-SNP report or a Nitro document (raw, or hexadecimal or base64 text), judged by " +
    "--policy with the collateral of a folder; or a bundle: one JSON with tee, time, files and policy, which needs no " +
    "flags. Ends with 3 if it isn't what the policy wants. Nothing is fetched.",
  operands: [{name: "FILE", help: "the evidence, or a bundle"}],
  flags: {
    policy: {value: "FILE", help: "what the evidence has to satisfy"},
    collateral: {
      value: "DIR",
      help: "the vendor's statements, a file each: tcbInfo, tcbInfoChain, qeIdentity, qeIdentityChain, pckCrl, rootCrl, pckChain; vcek, amdChain, amdCrl",
    },
    time: {
      value: "TIME",
      parse: parseTime,
      help: "verify for this time, such as 2026-03-01T00:00:00Z",
      byDefault: "now",
    },
    "report-data": {value: "HEX", parse: parseBytes, help: "the report data that it must carry (of Nitro: user data)"},
    nonce: {value: "HEX", parse: parseBytes, help: "the nonce that a Nitro document must carry"},
    html: {value: "FILE", help: "write the report as a page as well"},
  },
  examples: [
    {
      line: "verify fixtures/nitro/document.bin --policy fixtures/nitro/policy.json --time 2026-03-01T00:00:00Z",
      what: "a document from an archive, judged for the time when it was new",
    },
    {line: "verify fixtures/nitro/bundle.json --html report.html", what: "a bundle, and a page for the auditor"},
  ],
  async run([path], flags, {print, note, noteStyle}) {
    const file = await readInputFile(path!);
    const {report, policy, notes} = looksLikeJson(file)
      ? await ofBundle(path!, flags)
      : await ofEvidence(path!, file, flags);
    for (const text of notes) note(`${noteStyle.yellow("note")} ${text}`);
    if (flags.html !== undefined)
      await writeOutputFile(flags.html, renderReportHtml(report, {policyStatements: explainPolicy(policy)}));
    await print({
      json: report as unknown as JsonValue,
      text: (style) => renderReportText(report, {colour: style.color}),
    });
    return report.verdict === "trusted" ? exitCodes.done : exitCodes.notTrusted;
  },
});

interface Verified {
  readonly policy: Policy;
  readonly report: Report;
  readonly notes: readonly string[];
}

interface VerifyFlags {
  readonly policy: string | undefined;
  readonly collateral: string | undefined;
  readonly time: Date | undefined;
  readonly "report-data": Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
}

async function ofBundle(path: string, flags: VerifyFlags): Promise<Verified> {
  for (const name of ["policy", "collateral", "time", "report-data", "nonce"] as const) {
    if (flags[name] !== undefined) throw new CliError("CLI_USAGE", `--${name} is in the bundle; ${path} is one`);
  }
  const bundle = parseBundle(await readTextFile(path));
  return verifyBundle(bundle, (file) => readInputFile(resolve(dirname(path), file)));
}

async function ofEvidence(path: string, file: Uint8Array, flags: VerifyFlags): Promise<Verified> {
  const {tee, bytes} = detectEvidence(file);
  if (flags.policy === undefined) {
    throw new CliError(
      "CLI_POLICY_NEEDED",
      `verify ${path} needs --policy FILE; \`tf-trusted policy init --from ${path}\` writes one for exactly this evidence`,
    );
  }
  const policy = parsePolicy(await readTextFile(flags.policy));
  const parts = flags.collateral === undefined ? {} : await readCollateralFolder(flags.collateral, tee);
  const report = await verifyEvidence(evidenceOf(tee, {...parts, evidence: bytes}), {
    policy,
    now: flags.time ?? new Date(),
    expectedReportData: flags["report-data"] ?? null,
    expectedNonce: flags.nonce ?? null,
  });
  return {report, policy, notes: []};
}

/** No evidence begins with a brace. */
function looksLikeJson(file: Uint8Array): boolean {
  return /^\uFEFF?\s*\{/.test(new TextDecoder().decode(file.subarray(0, 64)));
}

function parseTime(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text) && !Number.isNaN(time.getTime()))
    return time;
  throw new Error(`a time such as 2026-03-01T00:00:00Z; found "${text}"`);
}

function parseBytes(text: string): Uint8Array {
  if (text.length % 2 === 0 && /^([0-9a-fA-F]{2})+$/.test(text)) return parseHex(text);
  throw new Error(`hexadecimal digits; found "${text.slice(0, 40)}"`);
}
