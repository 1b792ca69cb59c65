import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {findQeLevel} from "./qe-identity.ts";
import {findTcbLevel, SGX_COMPONENTS, type TcbLevel} from "./tcb-info.ts";
import {convergeTcbStatus, enclaveTcbStatuses, platformTcbStatuses} from "./tcb-status.ts";

const components = fc.array(fc.nat({max: 255}), {minLength: SGX_COMPONENTS, maxLength: SGX_COMPONENTS});
const platform = fc.record({components, pceSvn: fc.nat({max: 0xffff})});

function level(needed: {readonly components: readonly number[]; readonly pceSvn: number}): TcbLevel {
  return {...needed, tdxComponents: null, status: "UpToDate", date: 0, advisories: []};
}

test("a level is reached by every component and by PCESVN, and by nothing less", () => {
  fc.assert(
    fc.property(platform, platform, (needed, has) => {
      const reached = needed.components.every((svn, i) => has.components[i]! >= svn) && has.pceSvn >= needed.pceSvn;
      assert.equal(findTcbLevel([level(needed)], has) !== undefined, reached);
      assert.ok(findTcbLevel([level(needed)], needed));
    }),
  );
  fc.assert(
    fc.property(platform, fc.nat({max: SGX_COMPONENTS - 1}), (needed, i) => {
      fc.pre(needed.components[i]! > 0);
      const has = {...needed, components: needed.components.with(i, needed.components[i]! - 1)};
      assert.equal(findTcbLevel([level(needed)], has), undefined);
    }),
  );
});

test("PCESVN has 16 bits", () => {
  const all = (svn: number) => Array.from({length: SGX_COMPONENTS}, () => svn);
  for (const [needed, has] of [
    [0x0100, 0x00ff],
    [0x0201, 0x0102],
    [0xff00, 0x00ff],
  ] as const) {
    assert.equal(
      findTcbLevel([level({components: all(0), pceSvn: needed})], {components: all(0), pceSvn: has}),
      undefined,
    );
    assert.ok(findTcbLevel([level({components: all(0), pceSvn: has})], {components: all(0), pceSvn: needed}));
  }
});

test("the first level that is reached counts", () => {
  const high = level({components: new Array<number>(16).fill(9), pceSvn: 9});
  const low = level({components: new Array<number>(16).fill(1), pceSvn: 1});
  const has = {components: new Array<number>(16).fill(5), pceSvn: 9};
  assert.equal(findTcbLevel([high, low], has), low);
  assert.equal(findTcbLevel([low, high], {...has, components: high.components}), low);
  const levels = [8, 6, 2].map((isvSvn) => ({isvSvn, status: "UpToDate" as const, date: 0, advisories: []}));
  assert.deepEqual(
    [9, 8, 7, 6, 2, 1].map((svn) => findQeLevel(levels, svn)?.isvSvn),
    [8, 8, 6, 6, 2, undefined],
  );
});

test("convergence: every platform status with every status of its parts", () => {
  const rows = platformTcbStatuses.map((status) => [
    status,
    ...enclaveTcbStatuses.map((part) => convergeTcbStatus(status, [part])),
  ]);
  assert.deepEqual(rows, [
    ["UpToDate", "UpToDate", "OutOfDate", "Revoked"],
    ["SWHardeningNeeded", "SWHardeningNeeded", "OutOfDate", "Revoked"],
    ["ConfigurationNeeded", "ConfigurationNeeded", "OutOfDateConfigurationNeeded", "Revoked"],
    [
      "ConfigurationAndSWHardeningNeeded",
      "ConfigurationAndSWHardeningNeeded",
      "OutOfDateConfigurationNeeded",
      "Revoked",
    ],
    ["OutOfDate", "OutOfDate", "OutOfDate", "Revoked"],
    ["OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded", "Revoked"],
    ["Revoked", "Revoked", "Revoked", "Revoked"],
  ]);
});
