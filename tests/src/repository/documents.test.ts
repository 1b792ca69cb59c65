/** What the documents say is there, is there: tests that they name, and files that they link to. */
import assert from "node:assert/strict";
import {existsSync, readdirSync, readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");

test("every test that docs/security.md names exists", () => {
  const named = [...read("docs/security.md").matchAll(/`([^`]+\.test\.ts)`: "([^"]+)"/g)];
  assert.ok(named.length > 20, `${named.length} tests are named`);
  for (const [, path, title] of named) {
    const [start = "", ...others] = title!.split(/\$\{[^}]*\}/);
    assert.ok(
      [start, ...others].every((part) => read(path!).includes(part)),
      `${path} has no test "${title}"`,
    );
  }
});

test("every file that a document links to exists", () => {
  const documents = [
    ...readdirSync(root),
    ...readdirSync(join(root, "docs"), {recursive: true, encoding: "utf8"}).map((name) => join("docs", name)),
  ].filter((name) => name.endsWith(".md"));
  for (const document of documents) {
    for (const [, target] of read(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      assert.ok(existsSync(join(root, dirname(document), target!)), `${document} links to ${target}`);
    }
  }
});
