/** `tf-trusted attest`: the report about an enclave, trusted or not. */
import {explainPolicy, parsePolicy, type Report, renderReportHtml, renderReportText} from "@tf-trusted/attestation";
import type {JsonValue} from "@tf-trusted/core";
import {parseAddress} from "../arguments.ts";
import {CliError} from "../cli-error.ts";
import {collateralFlags, collateralOf} from "../collateral-flags.ts";
import {defineCommand} from "../command.ts";
import {exitCodes} from "../exit-codes.ts";
import {readTextFile, writeOutputFile} from "../files.ts";
import {attestServer} from "../open-session.ts";

export const attestCommand = defineCommand({
  name: "attest",
  summary: "Verify an enclave and print the report",
  description: "Ends with 3 if the enclave isn't what the policy wants. Nothing but a nonce is sent.",
  operands: [{name: "HOST:PORT", help: "where the enclave listens; the port may be left out (50051)"}],
  flags: {
    policy: {value: "FILE", help: "what the enclave has to satisfy"},
    html: {value: "FILE", help: "write the report as a page as well"},
    ...collateralFlags,
  },
  examples: [
    {line: "attest 127.0.0.1:50051 --policy policy.json", what: "an enclave that serve started"},
    {
      line: "attest 127.0.0.1:50051 --policy policy.json --collateral vendor",
      what: "with Intel's or AMD's latest word",
    },
  ],
  async run([typed], flags, {print, progress, signal}) {
    const {policy: policyPath, html} = flags;
    const address = addressOf(typed!);
    if (policyPath === undefined) {
      throw new CliError(
        "CLI_POLICY_NEEDED",
        `attest ${typed} needs --policy FILE: a report says whether it is satisfied`,
      );
    }
    const policy = parsePolicy(await readTextFile(policyPath));
    progress.step(`Verifying ${address}`);
    const report: Report = await attestServer(address, policy, await collateralOf(flags), signal);
    if (html !== undefined)
      await writeOutputFile(html, renderReportHtml(report, {policyStatements: explainPolicy(policy)}));
    await print({
      json: report as unknown as JsonValue,
      text: (style) => renderReportText(report, {colour: style.color}),
    });
    return report.verdict === "trusted" ? exitCodes.done : exitCodes.notTrusted;
  },
});

function addressOf(text: string): string {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new CliError("CLI_USAGE", `attest takes ${(error as Error).message}`, {cause: error});
  }
}
