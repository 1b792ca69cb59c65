/** All attestation vectors in a browser: verdicts, codes, statuses, advisories and claims as in Node; and what the package weighs. */
import assert from "node:assert/strict";
import {existsSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import * as attestation from "@tf-trusted/attestation";
import {bundle, executable, inPage, skipReason} from "./browser.ts";

/** Of the whole package with all four TEEs, gzipped. */
const MAX_GZIPPED = 80 * 1024;

const corpus = process.env.TF_TRUSTED_CORPUS ?? fileURLToPath(new URL("../../../../shared", import.meta.url));
const folder = join(corpus, "vectors/attestation");
const skip = executable
  ? existsSync(join(folder, "index.json"))
    ? false
    : "no attestation vectors: set TF_TRUSTED_CORPUS, or put the corpus in ../shared"
  : skipReason;

interface Case {
  readonly id: string;
  readonly tee: string;
  readonly files: Readonly<Record<string, string>>;
  readonly expect: {readonly verdict: string; readonly tcbStatus: string | null};
}

/** What is done on either side; the page gets it as text. One line for each case. */
async function verifyHere(
  {parseBundle, verifyBundle}: Pick<typeof attestation, "parseBundle" | "verifyBundle">,
  cases: readonly Case[],
  blobs: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const read = (path: string) => Uint8Array.from(atob(blobs[path]!), (character) => character.charCodeAt(0));
  const lines: string[] = [];
  for (const item of cases) {
    const {report} = await verifyBundle(parseBundle(item), read);
    const {verdict, code, tcbStatus, advisories, identity} = report;
    lines.push(JSON.stringify([item.id, verdict, code, tcbStatus, advisories, identity]));
  }
  return lines;
}

test("Chromium verifies every vector as Node does", {skip}, async (t) => {
  const {cases} = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as {cases: readonly Case[]};
  const paths = new Set(cases.flatMap(({files}) => Object.values(files)));
  const blobs = Object.fromEntries(
    [...paths].map((path) => [path, readFileSync(join(folder, path)).toString("base64")]),
  );
  const bundled = await bundle("attestation");
  t.diagnostic(`bundle of attestation: ${bundled.bytes} bytes, ${bundled.gzipped} gzipped; ${cases.length} vectors`);
  assert.ok(bundled.gzipped < MAX_GZIPPED, `${bundled.gzipped} bytes gzipped, expected fewer than ${MAX_GZIPPED}`);
  const wanted = await verifyHere(attestation, cases, blobs);
  const found = await inPage(bundled, (page) => {
    const words = [JSON.stringify(cases), JSON.stringify(blobs)].join(", ");
    return page.evaluate<readonly string[]>(`(${verifyHere})(bundled, ${words})`);
  });
  assert.deepEqual(found, wanted);
  const verdicts = found.map((line) =>
    (JSON.parse(line) as readonly string[])[1] === "trusted" ? "accept" : "refuse",
  );
  assert.deepEqual(
    verdicts,
    cases.map(({expect}) => expect.verdict),
  );
});
