/** Properties of hostile input: whatever is cut, changed or made up, there is a report with a code, soon, and no exception. */
import assert from "node:assert/strict";
import {before, test} from "node:test";
import fc from "fast-check";
import {type DcapEvidence, type Report, type SgxCollateral, verifyEvidence} from "./index.ts";
import {type ForgedCase, forge, makeWorld} from "./testing/forge.ts";

let healthy: ForgedCase;
let baseline: Report;
before(async () => {
  healthy = await forge(await makeWorld({revoked: ["tcbSigner"]}), {plan: {revoked: []}});
  baseline = await verifyEvidence(healthy.evidence, healthy.options);
  assert.equal(baseline.verdict, "trusted");
});

const parts = [
  "quote",
  "tcbInfo",
  "tcbInfoIssuerChain",
  "qeIdentity",
  "qeIdentityIssuerChain",
  "pckCrl",
  "rootCrl",
] as const;
type Part = (typeof parts)[number];

function bytesOf(part: Part): Uint8Array {
  return part === "quote" ? healthy.evidence.quote : healthy.evidence.collateral[part as keyof SgxCollateral]!;
}

function withPart(part: Part, bytes: Uint8Array): DcapEvidence {
  const {evidence} = healthy;
  return part === "quote"
    ? {...evidence, quote: bytes}
    : {...evidence, collateral: {...evidence.collateral, [part]: bytes}};
}

async function verifyChanged(part: Part, bytes: Uint8Array): Promise<Report> {
  const report = await verifyEvidence(withPart(part, bytes), healthy.options);
  assert.notEqual(report.code, "INTERNAL", JSON.stringify(report.steps.find(({status}) => status === "failed")));
  return report;
}

/** Accepted, after a change, only if everything that was signed is as before: white space between PEM lines, say. */
function assertSameOrRefused(report: Report): void {
  if (report.verdict === "refused") {
    assert.ok(report.code);
    return;
  }
  for (const key of ["identity", "platform", "tcb", "dates", "root", "advisories"] as const) {
    assert.deepEqual(report[key], baseline[key]);
  }
}

test("every truncation is refused", async (context) => {
  for (const part of parts) {
    await context.test(part, async () => {
      const whole = bytesOf(part);
      // The end of the text of a PEM chain is white space.
      const length = part.endsWith("IssuerChain") ? whole.length - 1 : whole.length;
      const step = Math.max(1, Math.floor(length / 60));
      for (let end = 0; end < length; end += end < 64 ? 8 : step) {
        assert.equal((await verifyChanged(part, whole.subarray(0, end))).verdict, "refused", `${end} of ${length}`);
      }
      assert.equal((await verifyChanged(part, whole.subarray(0, length - 1))).verdict, "refused");
    });
  }
});

test("changed bytes change nothing that is signed", async () => {
  const change = fc.record({
    part: fc.constantFrom(...parts),
    edits: fc.array(fc.record({at: fc.nat(), remove: fc.nat({max: 4}), insert: fc.uint8Array({maxLength: 4})}), {
      minLength: 1,
      maxLength: 3,
    }),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({part, edits}) => {
      let bytes = [...bytesOf(part)];
      for (const {at, remove, insert} of edits) {
        const start = at % (bytes.length + 1);
        bytes = [...bytes.slice(0, start), ...insert, ...bytes.slice(start + remove)];
      }
      assertSameOrRefused(await verifyChanged(part, Uint8Array.from(bytes)));
    }),
    {numRuns: 600},
  );
});

test("single bits of the quote's signed part are all signed", async () => {
  const {quote} = healthy.evidence;
  await fc.assert(
    fc.asyncProperty(fc.nat({max: 1012 - 1}), fc.nat({max: 7}), async (at, bit) => {
      const changed = quote.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte));
      assert.equal((await verifyChanged("quote", changed)).verdict, "refused");
    }),
    {numRuns: 200},
  );
});

test("made-up parts are refused", async () => {
  const madeUp = fc.record({
    part: fc.constantFrom(...parts),
    bytes: fc.oneof(
      fc.uint8Array({maxLength: 2000}),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc.json().map((text) => new TextEncoder().encode(`{"tcbInfo":${text},"signature":"${"ab".repeat(64)}"}`)),
      fc.constant(new TextEncoder().encode(`{"enclaveIdentity":${"[".repeat(100_000)}`)),
    ),
  });
  await fc.assert(
    fc.asyncProperty(madeUp, async ({part, bytes}) => {
      assert.equal((await verifyChanged(part, bytes)).verdict, "refused");
    }),
    {numRuns: 200},
  );
});

test("anything at all as evidence is refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.anything(), async (evidence) => {
      const report = await verifyEvidence(evidence as DcapEvidence, healthy.options);
      assert.deepEqual([report.verdict, report.code], ["refused", "EVIDENCE_KIND"]);
    }),
    {numRuns: 300},
  );
});

test("parts at their limit of size, made to be slow, are refused in seconds", async () => {
  const limit = 1024 * 1024;
  const text = (pattern: string) => new TextEncoder().encode(pattern.repeat(Math.floor(limit / pattern.length)));
  const slow: readonly (readonly [Part, Uint8Array])[] = [
    ["tcbInfo", text('{"tcbInfo":')],
    ["tcbInfo", text('"\\u0041')],
    ["tcbInfo", new TextEncoder().encode(`{"tcbInfo":"${"\\n".repeat(400_000)}"}`)],
    ["tcbInfo", new TextEncoder().encode(`{"tcbInfo":[${"1,".repeat(500_000)}1]}`)],
    ["tcbInfo", text(" ")],
    ["tcbInfoIssuerChain", text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")],
    ["tcbInfoIssuerChain", text("-----BEGIN CERTIFICATE-----")],
    ["tcbInfoIssuerChain", text("\0")],
    ["pckCrl", Uint8Array.from({length: limit}, (_, i) => [0x30, 0x80][i % 2]!)],
    ["rootCrl", new Uint8Array(limit).fill(0x30)],
  ];
  for (const [part, bytes] of slow) {
    const start = performance.now();
    const report = await verifyChanged(part, bytes);
    assert.equal(report.verdict, "refused");
    assert.ok(JSON.stringify(report).length < 40_000, "the report doesn't echo the input");
    // Some 100 ms on an idle machine; what this finds is quadratic time, which would be minutes.
    assert.ok(performance.now() - start < 10_000, `${part}: ${performance.now() - start} ms`);
  }
});

test("bytes changed during verification don't matter", async () => {
  const quote = healthy.evidence.quote.slice();
  const running = verifyEvidence({...healthy.evidence, quote}, healthy.options);
  quote.fill(0);
  const report = await running;
  assert.deepEqual([report.verdict, report.identity], ["trusted", baseline.identity]);
});
