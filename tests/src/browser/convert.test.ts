/** The converter in a browser gives the same bytes, and the same refusals, as in Node. */
import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {existsSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import * as converter from "@tf-trusted/convert";
import {models} from "../convert/corpus.ts";
import {bundle, executable, inPage, skipReason} from "./browser.ts";

const fixture = fileURLToPath(new URL("../../../fixtures/digits/digits.pb", import.meta.url));
const net = models && join(models, "nets/mobilenet_v2/model.pb");
const files = [fixture, ...(net && existsSync(net) ? [net] : [])];

/** What is done on either side; the page gets it as text. */
function convertHere({convert}: Pick<typeof converter, "convert">, base64: string): {model: string; code: string} {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const {model} = convert(bytes);
  let code = "none";
  try {
    convert(bytes.subarray(0, 1000));
  } catch (error) {
    code = (error as {code?: string}).code ?? String(error);
  }
  let text = "";
  for (const byte of model) text += String.fromCharCode(byte);
  return {model: btoa(text), code};
}

const sha256 = (base64: string) => createHash("sha256").update(base64).digest("hex");

test("Chromium converts models to the same bytes as Node", {skip: executable ? false : skipReason}, async (t) => {
  const bundled = await bundle("convert");
  t.diagnostic(`bundle of convert: ${bundled.bytes} bytes, ${bundled.gzipped} gzipped`);
  await inPage(bundled, async (page) => {
    for (const file of files) {
      const base64 = readFileSync(file).toString("base64");
      const wanted = convertHere(converter, base64);
      const found = (await page.evaluate(`(${convertHere})(bundled, ${JSON.stringify(base64)})`)) as typeof wanted;
      assert.equal(sha256(found.model), sha256(wanted.model));
      assert.equal(found.code, wanted.code);
      assert.match(found.code, /^CONVERT_/);
    }
  });
});
