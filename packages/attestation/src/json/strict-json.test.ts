import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {Members} from "./members.ts";
import {decodeUtf8, parseStrictJson, plainValue} from "./strict-json.ts";

test("what JSON.stringify writes is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.jsonValue({noUnicodeString: false}), fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      assert.deepEqual(plainValue(parseStrictJson(text)), JSON.parse(text));
    }),
  );
});

test("whatever is read, JSON.parse reads alike", () => {
  const pieces = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"b"',
    "0",
    "-1",
    "1e5",
    "0.5",
    "01",
    "true",
    "null",
    " ",
    '"\\u0041"',
    '"\\x"',
    "\n",
  );
  fc.assert(
    fc.property(fc.array(pieces, {maxLength: 12}), (parts) => {
      const text = parts.join("");
      let value: unknown;
      try {
        value = plainValue(parseStrictJson(text));
      } catch (error) {
        assert.equal((error as {code?: string}).code, "JSON_INVALID");
        return;
      }
      assert.deepEqual(value, JSON.parse(text));
    }),
    {numRuns: 2000},
  );
});

test("each value knows where it stands", () => {
  const text = ' {"a" : {"b":[1, 2]} , "c":"\\n" }';
  const members = new Members(parseStrictJson(text), "$");
  const {start, end} = members.node("a");
  assert.equal(text.slice(start, end), '{"b":[1, 2]}');
  const string = members.node("c");
  assert.equal(text.slice(string.start, string.end), '"\\n"');
});

test("what is no strict JSON is refused", () => {
  const deep = "[".repeat(40) + "]".repeat(40);
  for (const text of [
    "",
    "{",
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    "[1,]",
    "{,}",
    "01",
    "+1",
    ".5",
    "1.",
    "NaN",
    "'a'",
    '"\t"',
    '"\\x"',
    "1 2",
    "\ufeff1",
    "//\n1",
    deep,
  ]) {
    assert.throws(() => parseStrictJson(text), {code: "JSON_INVALID"}, JSON.stringify(text));
  }
  assert.throws(() => decodeUtf8(Uint8Array.of(0x22, 0xc0, 0x80, 0x22)), {code: "JSON_INVALID"});
});

test("members named as an object's own are members like any other", () => {
  const value = plainValue(parseStrictJson('{"__proto__":{"polluted":1},"constructor":2}')) as object;
  assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(({} as {polluted?: number}).polluted, undefined);
});

const wrong: Readonly<Record<string, (members: Members) => unknown>> = {
  '{"x":"1"}': (m) => m.integer("x", 0, 255),
  '{"x":-1}': (m) => m.integer("x", 0, 255),
  '{"x":256}': (m) => m.integer("x", 0, 255),
  '{"x":1.0}': (m) => m.integer("x", 0, 255),
  '{"x":1e1}': (m) => m.integer("x", 0, 255),
  '{"x":-0}': (m) => m.integer("x", 0, 255),
  '{"x":1}': (m) => m.string("x"),
  "{}": (m) => m.string("x"),
  '{"x":null}': (m) => m.object("x"),
  '{"x":{}}': (m) => m.list("x", [0, 9], () => 1),
  '{"x":[1]}': (m) => m.list("x", [2, 2], () => 1),
  '{"x":"00ff"}': (m) => m.hex("x", 1),
  '{"x":"zz"}': (m) => m.hex("x", 1),
  '{"x":"toString"}': (m) => m.oneOf("x", ["a", "b"]),
  '{"x":"2026-13-01T00:00:00Z"}': (m) => m.date("x"),
  '{"x":"2026-02-30T00:00:00Z"}': (m) => m.date("x"),
  '{"x":"2026-02-03"}': (m) => m.date("x"),
  '{"x":"2026-02-03T00:00:00.000Z"}': (m) => m.date("x"),
  '{"x":"2026-02-03T24:00:00Z"}': (m) => m.date("x"),
  '{"x":"2026-02-03T00:00:60Z"}': (m) => m.date("x"),
};

test("members of another type, range or form are refused with their path", async (context) => {
  for (const [text, read] of Object.entries(wrong)) {
    await context.test(text, () => {
      assert.throws(() => read(new Members(parseStrictJson(text), "doc")), {code: "JSON_INVALID", message: /doc\.x: /});
    });
  }
});

test("members in range are read", () => {
  const members = new Members(
    parseStrictJson('{"n":255,"h":"0aFF","d":"2024-02-29T23:59:59Z","e":"b","l":[1,2]}'),
    "doc",
  );
  assert.equal(members.integer("n", 0, 255), 255);
  assert.deepEqual(members.hex("h", 2), Uint8Array.of(10, 255));
  assert.equal(members.date("d"), Date.UTC(2024, 1, 29, 23, 59, 59));
  assert.equal(members.oneOf("e", ["a", "b"]), "b");
  assert.equal(members.list("l", [1, 3], (_, path) => path).join(), "doc.l[0],doc.l[1]");
});
