/**
 * Entry of artefacts for tests: the enclave's own program on a stand-in for configfs-tsm, whose reports are by a simulated
 * machine. There is no way from here into the artefact that is shipped: that one is bundled from `main.ts`, and has another
 * measurement. What the device is and does wrong is written into the bundle when a test makes it.
 */
import "../confine-workers.ts";
import {evidenceParts, restoreSimulatedMachine} from "@tf-trusted/attestation";
import {parseHex} from "@tf-trusted/core";
import {runEnclave} from "../start/run-enclave.ts";
import {fakeConfigfs, type TsmFaults} from "./fake-configfs.ts";

interface StandIn {
  /** Of the simulated machine that signs: TDX or SNP. */
  readonly state: unknown;
  /** Hexadecimal, 32 bytes. */
  readonly measurement: string;
  readonly debug?: boolean;
  readonly tsm?: TsmFaults;
}

/** JSON text, put here by the bundler. */
declare const STAND_IN: string;

const {state, measurement, debug = false, tsm = {}} = JSON.parse(STAND_IN) as StandIn;
const machine = await restoreSimulatedMachine(state, {now: () => new Date()});

/** Where evidence says that the host may debug: TDX attributes after the quote's header; SNP policy, bit 19. */
const debugBits = {tdx: [48 + 120, 0x01], snp: [8 + 2, 0x08]} as const;

async function attest(reportData: Uint8Array): Promise<Uint8Array> {
  const bytes = Uint8Array.from(
    evidenceParts(await machine.attest({measurement: parseHex(measurement), reportData})).body,
  );
  const [at, bit] = debugBits[machine.tee === "snp" ? "snp" : "tdx"];
  // The signature no longer fits, which only callers look at.
  if (debug) bytes[at]! |= bit;
  return bytes;
}

const provider = machine.tee === "snp" ? "sev_guest\n" : "tdx_guest\n";
await runEnclave(new URL(".", import.meta.url), fakeConfigfs(attest, {provider, ...tsm}));
