/**
 * MRTD of a TDX guest, from its firmware (Intel TDX Module: TDH.MEM.PAGE.ADD, TDH.MR.EXTEND; TDVF design guide, "TDVF
 * metadata"): SHA-384 over a record of 128 bytes a page that is added, and one a chunk of 256 bytes that is measured. Pages
 * are added and measured one after the other, as Linux' KVM does since 6.16; hypervisors that add all pages of a section
 * first get another MRTD. RTMR0 to RTMR2 depend on what the firmware does then, and are not made here (docs/tdx.md).
 */
import {createHash, type Hash} from "node:crypto";
import {fromEnd, numberEntry, pageBytes, readFirmwareTable, wrong} from "./firmware.ts";

interface TdvfSection {
  readonly dataOffset: number;
  readonly dataBytes: number;
  readonly address: bigint;
  readonly memoryBytes: number;
  readonly attributes: number;
}

const metadataGuid = "e47a6535-984a-4798-865e-4685a7bf8ec2";
const attributeBits = {measured: 1, addedLater: 2} as const;
const chunkBytes = 256;
const recordBytes = 128;
const maxSections = 64;
const maxMemoryBytes = 1n << 32n;

/** 48 bytes. Throws `FIRMWARE_FORMAT`. */
export function measureTdxLaunch(firmware: Uint8Array): Uint8Array {
  const table = readFirmwareTable(firmware);
  const hash = createHash("sha384");
  for (const section of readSections(firmware, numberEntry(table, metadataGuid, "TDX metadata"))) {
    const {address, attributes, memoryBytes, dataOffset} = section;
    for (let offset = 0; offset < memoryBytes; offset += pageBytes) {
      const at = address + BigInt(offset);
      if ((attributes & attributeBits.addedLater) === 0) record(hash, "MEM.PAGE.ADD", at);
      if ((attributes & attributeBits.measured) === 0) continue;
      for (let part = 0; part < pageBytes; part += chunkBytes) {
        record(hash, "MR.EXTEND", at + BigInt(part));
        const from = dataOffset + offset + part;
        hash.update(firmware.subarray(from, from + chunkBytes));
      }
    }
  }
  return Uint8Array.from(hash.digest());
}

function record(hash: Hash, operation: string, address: bigint): void {
  const bytes = Buffer.alloc(recordBytes);
  bytes.write(operation, "latin1");
  bytes.writeBigUInt64LE(address, 16);
  hash.update(bytes);
}

function readSections(firmware: Uint8Array, distance: number): readonly TdvfSection[] {
  const reader = fromEnd(firmware, distance, "TDX metadata");
  if (reader.remaining < 16 || Buffer.from(reader.take(4)).toString("latin1") !== "TDVF")
    throw wrong("another signature", "TDVF");
  reader.take(4);
  const [version, count] = [reader.u32le(), reader.u32le()];
  if (version !== 1) throw wrong(`TDX metadata of version ${version}`, "1");
  if (count > maxSections || reader.remaining < count * 32) {
    throw wrong(`${count} sections`, `${maxSections} at most, all in the image`);
  }
  return Array.from({length: count}, () => {
    const [dataOffset, dataBytes] = [reader.u32le(), reader.u32le()];
    const [address, memoryBytes] = [reader.u64le(), reader.u64le()];
    reader.take(4); // What the section is for.
    const attributes = reader.u32le();
    const whole = address % BigInt(pageBytes) === 0n && memoryBytes % BigInt(pageBytes) === 0n;
    if (!whole || memoryBytes > maxMemoryBytes)
      throw wrong(`a section of ${memoryBytes} bytes at ${address}`, "whole pages");
    const measured = (attributes & attributeBits.measured) !== 0;
    if (dataOffset + dataBytes > firmware.length || (measured && BigInt(dataBytes) !== memoryBytes)) {
      throw wrong(
        `a section with ${dataBytes} bytes at ${dataOffset} of the image`,
        "all that is measured in the image",
      );
    }
    return {dataOffset, dataBytes, address, memoryBytes: Number(memoryBytes), attributes};
  });
}
