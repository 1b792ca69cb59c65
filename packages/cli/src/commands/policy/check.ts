/** `tf-trusted policy check`: what is wrong with a policy, or worth knowing. */
import {checkPolicy, type PolicyFinding} from "@tf-trusted/attestation";
import {defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {readTextFile} from "../../files.ts";
import {printable, type Style} from "../../render/style.ts";

export const policyCheckCommand = defineCommand({
  name: "policy check",
  summary: "Check a policy: mistakes, and what weakens it",
  description: "Ends with 1 if the policy can't be used; warnings and notes leave it at 0.",
  operands: [{name: "FILE", help: "a policy (JSON)"}],
  flags: {},
  examples: [{line: "policy check policy.json", what: "all findings, errors first"}],
  async run([path], _flags, {print}) {
    const findings = checkPolicy(await readTextFile(path!)).toSorted((a, b) => order(a) - order(b));
    const usable = findings.every(({severity}) => severity !== "error");
    await print({
      json: {
        policy: path!,
        usable,
        findings: findings.map(({severity, path: at, message}) => ({severity, path: at, message})),
      },
      text: (style) => {
        const verdict = usable ? `${style.green("✓")} ${path} can be used` : `${style.red("✗")} ${path} can't be used`;
        return `${[...findings.map((finding) => renderFinding(finding, style)), verdict].join("\n")}\n`;
      },
    });
    return usable ? exitCodes.done : exitCodes.failed;
  },
});

const severities = ["error", "warning", "note"] as const;

function order({severity}: PolicyFinding): number {
  return severities.indexOf(severity);
}

function renderFinding({severity, path, message}: PolicyFinding, style: Style): string {
  const paint = {error: style.red, warning: style.yellow, note: style.dim}[severity];
  return `${paint(severity.padEnd(7))}  ${path === "" ? "" : `${style.bold(printable(path))}: `}${printable(message)}`;
}
