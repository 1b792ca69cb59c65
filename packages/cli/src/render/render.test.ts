import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {renderBars} from "./bars.ts";
import {formatJson} from "./json.ts";
import {renderPicture} from "./picture.ts";
import {createProgress} from "./progress.ts";
import {formatBytes, formatCount, formatMs, formatShape, formatShare} from "./quantities.ts";
import {createStyle, printable, stripStyle, visibleLength, wantsColor} from "./style.ts";
import {cutText, renderTable} from "./table.ts";

const plain = createStyle(false);
const colored = createStyle(true);

test("colour: FORCE_COLOR, then NO_COLOR, then the terminal", () => {
  assert.equal(wantsColor({}, true), true);
  assert.equal(wantsColor({}, false), false);
  assert.equal(wantsColor({NO_COLOR: "1"}, true), false);
  assert.equal(wantsColor({NO_COLOR: ""}, true), true);
  assert.equal(wantsColor({FORCE_COLOR: "1"}, false), true);
  assert.equal(wantsColor({FORCE_COLOR: ""}, false), true);
  assert.equal(wantsColor({FORCE_COLOR: "0"}, true), false);
  assert.equal(wantsColor({FORCE_COLOR: "1", NO_COLOR: "1"}, true), true);
  assert.equal(wantsColor({TERM: "dumb"}, true), false);
});

test("colours can be taken away again, and don't count as columns", () => {
  for (const paint of ["bold", "dim", "red", "green", "yellow", "cyan"] as const) {
    assert.equal(plain[paint]("text"), "text");
    assert.notEqual(colored[paint]("text"), "text");
    assert.equal(stripStyle(colored[paint]("text")), "text");
    assert.equal(visibleLength(colored[paint]("text")), 4);
  }
  assert.equal(stripStyle(colored.greys("▀", 0.5, 1)), "▀");
});

test("names from files can't drive a terminal", () => {
  const shown = printable("a\x1b[2Jb\u202ec\nd");
  assert.equal(shown, "a\\u{1b}[2Jb\\u{202e}c\\u{a}d");
  fc.assert(fc.property(fc.string({unit: "binary"}), (text) => assert.doesNotMatch(printable(text), /\p{Cc}/u)));
});

test("a table aligns its columns, with and without colours", () => {
  const columns = [{title: "name"}, {title: "ms", align: "right"}] as const;
  const rows = [
    ["engine", "0.5"],
    ["whole call", "12.0"],
  ];
  const expected = "name          ms\nengine       0.5\nwhole call  12.0";
  assert.equal(renderTable(columns, rows, plain), expected);
  const painted = rows.map(([name, value]) => [colored.bold(name!), value!]);
  assert.equal(stripStyle(renderTable(columns, painted, colored)), expected);
});

test("a table is cut to the width of the terminal, the widest column first, and always ends", () => {
  const table = renderTable([{title: "node"}, {title: "reason"}], [["a/b", "x".repeat(100)]], plain, 40);
  assert.equal(Math.max(...table.split("\n").map(visibleLength)), 40);
  assert.match(table, /a\/b {3}x+…/);
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.string({maxLength: 50}), {minLength: 3, maxLength: 3}), {maxLength: 4}),
      fc.nat(120),
      (rows, width) => {
        const text = renderTable(
          [{title: "a"}, {title: ""}, {title: "c"}],
          rows.map((row) => row.map(printable)),
          plain,
          width,
        );
        for (const line of text.split("\n")) assert.ok(visibleLength(line) <= Math.max(width, 3 * 8 + 4));
      },
    ),
  );
});

test("text is cut with an ellipsis", () => {
  assert.equal(cutText("abc", 3), "abc");
  assert.equal(cutText("abcd", 3), "ab…");
});

test("numbers with units", () => {
  assert.deepEqual([0.0123, 0.5, 1.234, 56.78, 999, 12_345].map(formatMs), [
    "12.3 µs",
    "500 µs",
    "1.23 ms",
    "56.8 ms",
    "999 ms",
    "12.3 s",
  ]);
  assert.deepEqual([0, 1023, 1024, 147_609, 5 * 2 ** 30].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.00 KiB",
    "144 KiB",
    "5.00 GiB",
  ]);
  assert.deepEqual([1, 1234, 1234567].map(formatCount), ["1", "1 234", "1 234 567"]);
  assert.deepEqual([0, 0.99984, 0.999951, 1].map(formatShare), ["0.00 %", "99.98 %", ">99.99 %", "100.00 %"]);
  assert.equal(formatShape([-1, 8, 8, 1]), "[?, 8, 8, 1]");
});

test("bars grow with their share, and the largest stands out", () => {
  const bars = [
    {label: "zero", share: 0},
    {label: "one", share: 0.5},
    {label: "eleven", share: 0.03},
  ];
  assert.equal(
    renderBars(bars, plain, 10),
    ["zero      0.00 %", "one      50.00 %  █████", "eleven    3.00 %  ▎"].join("\n"),
  );
  const lines = renderBars(bars, colored, 10).split("\n");
  assert.equal(lines.filter((line) => line.includes("\x1b[32m")).length, 1);
  assert.ok(lines[1]!.includes("\x1b[32m"));
});

test("a picture has two pixels a cell in colours, and shades without", () => {
  const picture = {width: 2, height: 2, levels: [0, 1, 0.5, 0]};
  assert.equal(renderPicture(picture, plain), "  ██\n▒▒");
  const lines = renderPicture(picture, colored, 1).split("\n");
  assert.deepEqual(lines, ["\x1b[38;5;232m\x1b[48;5;244m▀\x1b[0m\x1b[38;5;255m\x1b[48;5;232m▀\x1b[0m"]);
});

test("progress draws over itself, shows the time, and leaves nothing", (t) => {
  t.mock.timers.enable({apis: ["setInterval"]});
  let written = "";
  let time = 0;
  let columns = 20;
  const stream = {
    write: (text: string) => {
      written += text;
    },
    columns: () => columns,
  };
  const progress = createProgress(stream, plain, () => time);
  progress.step("Converting a very long file name");
  assert.equal(written, "\r\x1b[2K⠋ Converting a ver…");
  columns = 80;
  progress.step("Loading");
  progress.detail("40 %");
  time = 2500;
  t.mock.timers.tick(100);
  assert.ok(written.endsWith(" Loading (40 %, 2 s)"), written);
  progress.clear();
  assert.ok(written.endsWith("\r\x1b[2K"));
  written = "";
  progress.clear();
  t.mock.timers.tick(1000);
  assert.equal(written, "");
});

test("JSON for people parses back to the same, lists of plain values on one line", () => {
  assert.equal(
    formatJson({shape: [1, 8], empty: {}, deep: [{a: null}]}),
    '{\n  "shape": [1, 8],\n  "empty": {},\n  "deep": [\n    {\n      "a": null\n    }\n  ]\n}',
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      assert.deepEqual(JSON.parse(formatJson(value as never)), JSON.parse(JSON.stringify(value))),
    ),
  );
});
