/** `docs/attestation-codes.md`, made from the tables in the code so that list and code are the same. */
import {type AttestationCodeEntry, attestationCodes} from "./codes.ts";
import {checksOf} from "./verify.ts";

/** The kinds of TEE in the order of the page. */
const tees = {sgx: "Intel SGX", tdx: "Intel TDX", snp: "AMD SEV-SNP", nitro: "AWS Nitro"} as const;

/** The page as Markdown. */
export function attestationCodesMarkdown(): string {
  const checks = (Object.keys(tees) as (keyof typeof tees)[]).map((tee) => {
    const rows = checksOf(tee).map(
      ({id, title, expects, source, codes}) =>
        `| \`${id}\` | ${cell(title)} | ${cell(expects)} | ${codes.map((code) => `\`${code}\``).join(" ")} | ${cell(source)} |`,
    );
    return `### ${tees[tee]}\n\n| id | what holds if it passes | expects | codes | source |\n|---|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  const codes = Object.entries<AttestationCodeEntry>(attestationCodes).map(
    ([code, {family, when, todo}]) =>
      `| \`${code}\` | ${family === code ? "" : `\`${family}\``} | ${cell(when)} | ${cell(todo)} |`,
  );
  return `# Attestation: checks and codes

A report lists every check of its kind of TEE in this order; the first failure decides, and the rest are skipped. Codes are stable: match
on them in programs. Several finer codes share a *family*, the coarse reason; it is what an
index of test vectors calls \`reason\` (where that says only \`EXPIRED\` or \`NOT_YET_VALID\`, any family that ends so). This page is made from the tables in the code
(\`npm run docs\`).

Sources are Intel's documents: *Quote Library* is the SGX ECDSA Quote Library API Reference (appendix A), *PCK Profile* the SGX
PCK Certificate and Certificate Revocation List Profile, *PCS* the Provisioning Certification Service API v4, *SDM* the
Software Developer's Manual, volume 3D.

*AMD 56860* is the SEV-SNP Firmware ABI Specification, *AMD 57230* the VCEK Certificate and KDS Interface Specification.

## Checks

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
