/** `docs/attestation-codes.md`, made from the tables in the code so that list and code are the same. */
import {type AttestationCodeEntry, attestationCodes} from "./codes.ts";
import {allChecks} from "./verify.ts";

/** The page as Markdown. */
export function attestationCodesMarkdown(): string {
  const checks = allChecks.map(
    ({id, title, expects, source, codes}) =>
      `| \`${id}\` | ${cell(title)} | ${cell(expects)} | ${codes.map((code) => `\`${code}\``).join(" ")} | ${cell(source)} |`,
  );
  const codes = Object.entries<AttestationCodeEntry>(attestationCodes).map(
    ([code, {family, when, todo}]) =>
      `| \`${code}\` | ${family === code ? "" : `\`${family}\``} | ${cell(when)} | ${cell(todo)} |`,
  );
  return `# Attestation: checks and codes

A report lists every check below in this order; the first failure decides, and the rest are skipped. Codes are stable: match
on them in programs. Several finer codes share a *family*, the coarse reason. This page is made from the tables in the code
(\`npm run docs\`).

Sources are Intel's documents: *Quote Library* is the SGX ECDSA Quote Library API Reference (appendix A), *PCK Profile* the SGX
PCK Certificate and Certificate Revocation List Profile, *PCS* the Provisioning Certification Service API v4, *SDM* the
Software Developer's Manual, volume 3D.

## Checks

| id | what holds if it passes | expects | codes | source |
|---|---|---|---|---|
${checks.join("\n")}

## Codes

| code | family | when | what to do |
|---|---|---|---|
${codes.join("\n")}
`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
