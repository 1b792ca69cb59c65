/** `tf-trusted quote inspect`: every field of evidence, decoded; nothing is verified. */
import {detectEvidence, inspectEvidence} from "@tf-trusted/attestation";
import type {JsonValue} from "@tf-trusted/core";
import {defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {readInputFile} from "../../files.ts";
import {renderInspection} from "../../render/inspection.ts";

export const quoteInspectCommand = defineCommand({
  name: "quote inspect",
  summary: "Show every field of a quote, report or attestation document",
  description:
    "SGX and TDX quotes, SEV-SNP reports and Nitro documents, raw or as hexadecimal or base64 text. Nothing is verified: " +
    "`tf-trusted verify` does that. Evidence that is broken is shown up to where it breaks, and ends with 1.",
  operands: [{name: "FILE", help: "the evidence"}],
  flags: {},
  examples: [
    {line: "quote inspect fixtures/nitro/document.bin", what: "a table of all fields"},
    {line: "quote inspect fixtures/snp/report.bin --json", what: "for programs: name, offset, hex and meaning"},
  ],
  async run([path], _flags, {print}) {
    const inspection = await inspectEvidence(detectEvidence(await readInputFile(path!)));
    await print({
      json: inspection as unknown as JsonValue,
      text: (style) => renderInspection(inspection, style),
    });
    return inspection.problem === null ? exitCodes.done : exitCodes.failed;
  },
});
