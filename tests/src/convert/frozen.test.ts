/** Odd and broken GraphDefs: the good ones give their numbers, the broken ones an error that names what is wrong. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {ConvertError, convert} from "@tf-trusted/convert";
import {createWasmEngine} from "@tf-trusted/litert";
import {casesOf, judge, models, readModelFile, skipReason} from "./corpus.ts";

/** For each case to be refused: the code, and the words of `expect_error` that the message has to have. */
const expected: Readonly<Record<string, readonly [code: string, ...words: RegExp[]]>> = {
  "frozen/duplicate_name": ["CONVERT_GRAPH_INVALID", /two nodes named "c"/],
  "frozen/missing_input": ["CONVERT_GRAPH_INVALID", /node "y"/, /input "nowhere"/],
  "frozen/cycle": ["CONVERT_GRAPH_INVALID", /a cycle through/, /"sum"/, /"y"/],
  "frozen/unknown_op": ["CONVERT_OP_UNSUPPORTED", /operator FrobnicateV7/, /node "y"/],
  "frozen/unknown_output": ["CONVERT_NAME_UNKNOWN", /output "nothing/],
  "frozen/output_index": ["CONVERT_NAME_UNKNOWN", /node "y" .*has no output 3/],
  "frozen/variable_left": ["CONVERT_NOT_FROZEN", /not frozen: variable "v"/],
  "frozen/missing_attribute": ["CONVERT_ATTRIBUTE", /node "c"/, /attribute "value"/],
  "frozen/wrong_dtype": ["CONVERT_GRAPH_INVALID", /node "sum"/, /float32 where int32 is declared/],
  "frozen/not_a_graph": ["CONVERT_NOT_A_GRAPH", /not a GraphDef/],
  "frozen/syntax": ["CONVERT_TEXT_SYNTAX", /text format, line 6/],
  "frozen/truncated": ["CONVERT_TRUNCATED", /truncated/],
};

test("broken graphs are refused by name", {skip: models ? false : skipReason}, async (t) => {
  const broken = casesOf("frozen").filter((each) => each.expect_error !== undefined);
  assert.deepEqual(broken.map((each) => each.id).sort(), Object.keys(expected).sort());
  for (const {id, file, outputs} of broken) {
    await t.test(id, () => {
      const [code, ...words] = expected[id]!;
      // A text file named by its content only, as callers give them.
      const options = outputs.length > 0 ? {outputs: outputs.map(({name}) => name)} : {};
      const format = file.endsWith(".pbtxt") ? {format: "graphdef-text" as const} : {};
      assert.throws(
        () => convert(readModelFile(file), {...options, ...format}),
        (error) => {
          assert.ok(error instanceof ConvertError, String(error));
          assert.equal(error.code, code, error.message);
          for (const word of words) assert.match(error.message, word);
          return true;
        },
      );
    });
  }
});

test("odd graphs give their numbers", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  try {
    const good = casesOf("frozen").filter((each) => each.expect_error === undefined);
    for (const each of good) {
      assert.deepEqual(await judge(engine, each, {verify: true}), {kind: "right"}, each.id);
    }
    t.diagnostic(`frozen: ${good.length} of ${good.length} right`);
  } finally {
    await engine.close();
  }
});
