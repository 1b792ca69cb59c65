/** Launch digests of guests against other programs (fixtures/measure/README.md). */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {encodeHex, TfTrustedError} from "@tf-trusted/core";
import fc from "fast-check";
import {measureSnpLaunch, type SnpCpu, type SnpVmm} from "./snp-launch.ts";
import {measureTdxLaunch} from "./tdx-launch.ts";

const fixture = (name: string) =>
  Uint8Array.from(readFileSync(new URL(`../../../../fixtures/measure/${name}`, import.meta.url)));
const firmware = fixture("firmware-stand-in.bin");
const expected = JSON.parse(Buffer.from(fixture("expected.json")).toString()) as {
  readonly tdx: string;
  readonly snp: readonly {
    readonly cpu: SnpCpu;
    readonly vcpus: number;
    readonly vmm: SnpVmm;
    readonly features: number;
    readonly boot?: {readonly kernel: string; readonly initrd: string; readonly commandLine: string};
    readonly digest: string;
  }[];
};

test("SNP: the digests of sev-snp-measure, by processor, count, hypervisor, features and direct boot", () => {
  assert.ok(expected.snp.length > 40);
  for (const {cpu, vcpus, vmm, features, boot, digest} of expected.snp) {
    const measured = measureSnpLaunch({
      firmware,
      vcpus,
      cpu,
      vmm,
      guestFeatures: BigInt(features),
      ...(boot && {
        boot: {
          kernel: Buffer.from(boot.kernel),
          initrd: Buffer.from(boot.initrd),
          commandLine: boot.commandLine,
        },
      }),
    });
    assert.equal(encodeHex(measured), digest, JSON.stringify({cpu, vcpus, vmm, features, boot}));
  }
});

test("TDX: MRTD", () => {
  assert.equal(encodeHex(measureTdxLaunch(firmware)), expected.tdx);
});

test("firmware without what is needed is refused", () => {
  const plain = new Uint8Array(4096);
  const launch = {vcpus: 1, cpu: "EPYC-Milan"} as const;
  assert.throws(() => measureSnpLaunch({...launch, firmware: plain}), {code: "FIRMWARE_FORMAT"});
  assert.throws(() => measureTdxLaunch(plain), {code: "FIRMWARE_FORMAT"});
  // Without the page for hashes a kernel would boot unmeasured.
  const boot = {kernel: plain, initrd: plain, commandLine: ""};
  const withoutHashes = Uint8Array.from(firmware);
  withoutHashes[0x2000 + 16 + 4 * 12 + 8] = 1;
  assert.throws(() => measureSnpLaunch({...launch, firmware: withoutHashes, boot}), {
    code: "FIRMWARE_FORMAT",
    message: /no page for the hashes of a kernel/,
  });
  for (const vcpus of [0, 1.5, 5000])
    assert.throws(() => measureSnpLaunch({...launch, firmware, vcpus}), {code: "FIRMWARE_FORMAT"});
});

test("hostile firmware gives coded errors, or another digest", () => {
  const interesting = [...Array(80).keys()]
    .map((i) => 0x2000 + i)
    .concat(
      [...Array(180).keys()].map((i) => 0x2800 + i),
      [...Array(200).keys()].map((i) => firmware.length - 232 + i),
    );
  fc.assert(
    fc.property(fc.constantFrom(...interesting), fc.integer({min: 1, max: 255}), (at, difference) => {
      const changed = Uint8Array.from(firmware);
      changed[at]! ^= difference;
      for (const [measure, before] of [
        [() => measureTdxLaunch(changed), expected.tdx],
        [() => measureSnpLaunch({firmware: changed, vcpus: 2, cpu: "EPYC-Milan"}), ""],
      ] as const) {
        try {
          // The firmware's own bytes are measured: no change gives the same digest.
          assert.notEqual(encodeHex(measure()), before);
        } catch (error) {
          assert.ok(error instanceof TfTrustedError && error.code === "FIRMWARE_FORMAT", String(error));
        }
      }
    }),
    {numRuns: 150},
  );
});
