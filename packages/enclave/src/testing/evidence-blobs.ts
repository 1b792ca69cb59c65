/**
 * Quotes and reports for stand-in devices: genuine layouts with chosen report data. Platforms look at what they hand out;
 * they don't verify it, so that the signatures need not be right.
 */
import type {SimulatedPlatform} from "@tf-trusted/attestation";

export interface BlobOptions {
  readonly debug?: boolean;
}

const headerBytes = 48;
const sgxBodyBytes = 384;
const tdxBodyBytes = 584;
const keySignatureBytes = 128;

export const fakeMeasurement: Uint8Array = new Uint8Array(48).fill(0x5a);

/** An SGX quote of version 3 by the simulated platform. */
export function sgxQuoteBlob(
  platform: SimulatedPlatform,
  reportData: Uint8Array,
  {debug = false}: BlobOptions = {},
): Promise<Uint8Array> {
  const mrEnclave = fakeMeasurement.subarray(0, 32);
  return platform.quote({mrEnclave, mrSigner: new Uint8Array(32), isvProdId: 1, isvSvn: 1, reportData, debug});
}

/** A TDX quote of version 4: the header and signature data of an SGX quote around a TD report. */
export async function tdxQuoteBlob(
  platform: SimulatedPlatform,
  reportData: Uint8Array,
  {debug = false}: BlobOptions = {},
): Promise<Uint8Array> {
  const sgx = Buffer.from(await sgxQuoteBlob(platform, reportData));
  const header = Buffer.from(sgx.subarray(0, headerBytes));
  header.writeUInt16LE(4, 0);
  header.writeUInt32LE(0x81, 4);
  const body = Buffer.alloc(tdxBodyBytes);
  if (debug) body[120] = 1;
  body.set(fakeMeasurement, 136);
  body.set(reportData, 520);
  const data = sgx.subarray(headerBytes + sgxBodyBytes + 4);
  const nested = data.subarray(keySignatureBytes);
  // Certification data of type 6 around the QE's report.
  const envelope = Buffer.alloc(6);
  envelope.writeUInt16LE(6, 0);
  envelope.writeUInt32LE(nested.length, 2);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(data.length + envelope.length, 0);
  return Buffer.concat([header, body, length, data.subarray(0, keySignatureBytes), envelope, nested]);
}

/** An SNP report of version 2. */
export function snpReportBlob(reportData: Uint8Array, {debug = false}: BlobOptions = {}): Uint8Array {
  const report = Buffer.alloc(1184);
  report.writeUInt32LE(2, 0);
  report.writeBigUInt64LE((1n << 17n) | (debug ? 1n << 19n : 0n), 8);
  report.set(reportData, 0x50);
  report.set(fakeMeasurement, 0x90);
  return report;
}
