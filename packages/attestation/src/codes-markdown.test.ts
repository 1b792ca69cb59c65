import assert from "node:assert/strict";
import {test} from "node:test";
import {type AttestationCodeEntry, attestationCodes, attestationCodesMarkdown, checksOf} from "./index.ts";

test("the page lists every check and every code once, in tables of one width", () => {
  const page = attestationCodesMarkdown();
  const [, ...sections] = page.slice(0, page.indexOf("\n## Codes")).split("\n### ");
  for (const [i, tee] of (["sgx", "tdx", "snp", "nitro"] as const).entries()) {
    for (const {id} of checksOf(tee)) assert.equal(sections[i]!.split(`\n| \`${id}\` |`).length, 2, `${tee} ${id}`);
  }
  for (const code of Object.keys(attestationCodes)) assert.equal(page.split(`\n| \`${code}\` |`).length, 2, code);
  for (const table of page.split("\n\n").filter((block) => block.startsWith("|"))) {
    const widths = new Set(
      table
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => line.split(/(?<!\\)\|/).length),
    );
    assert.equal(widths.size, 1, table);
  }
});

test("identifiers are unique, and codes say when and what to do", () => {
  for (const tee of ["sgx", "tdx", "snp", "nitro"] as const) {
    const ids = checksOf(tee).map(({id}) => id);
    assert.equal(new Set(ids).size, ids.length, tee);
  }
  for (const [code, {family, when, todo}] of Object.entries<AttestationCodeEntry>(attestationCodes)) {
    assert.match(code, /^[A-Z0-9_]+$/);
    assert.match(family, /^[A-Z0-9_]+$/);
    assert.ok(when.endsWith(".") && todo.endsWith("."), code);
  }
});
