/**
 * Guest firmware (OVMF, TDVF) as a launch measures it: the table of entries by GUID that ends 32 bytes before the image
 * does (edk2: OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm), and the lists of memory that it leads to.
 */
import {ByteReader, encodeHex} from "@tf-trusted/core";
import {EnclaveError} from "../enclave-error.ts";

/** By GUID in the order of its text. */
export type FirmwareTable = ReadonlyMap<string, Uint8Array>;

const footer = "96b582de-1fb2-45f7-baea-a366c55a082d";
const afterTable = 32;
const entryHeaderBytes = 18;
const maxEntries = 64;
/** Firmware ends at 4 GiB; none is larger than this. */
const maxFirmwareBytes = 64 * 2 ** 20;

export const pageBytes = 4096;

/** Throws `FIRMWARE_FORMAT`. */
export function readFirmwareTable(image: Uint8Array): FirmwareTable {
  if (image.length % pageBytes !== 0 || image.length < pageBytes || image.length > maxFirmwareBytes) {
    throw wrong(`an image of ${image.length} bytes`, `whole pages of ${pageBytes} bytes, ${maxFirmwareBytes} at most`);
  }
  const end = image.length - afterTable;
  const last = readEntry(image, 0, end);
  if (last.guid !== footer) throw wrong(`GUID ${last.guid} at the end`, footer);
  const start = end - last.size;
  if (start < 0) throw wrong(`a table of ${last.size} bytes`, "one within the image");
  const table = new Map<string, Uint8Array>();
  for (let at = end - entryHeaderBytes; at > start; ) {
    const {guid, size} = readEntry(image, start, at);
    if (table.has(guid) || table.size >= maxEntries)
      throw wrong(`GUID ${guid} again`, `${maxEntries} different entries at most`);
    table.set(guid, image.subarray(at - size, at - entryHeaderBytes));
    at -= size;
  }
  return table;
}

/** What an entry of four bytes says. Throws `FIRMWARE_FORMAT` where it isn't there. */
export function numberEntry(table: FirmwareTable, guid: string, what: string): number {
  const bytes = table.get(guid);
  if (bytes === undefined || bytes.length < 4) throw wrong(`no ${what} (${guid})`, "firmware that has it");
  return new ByteReader(bytes, what).u32le();
}

/** A reader from so many bytes before the end of the image on. Throws `FIRMWARE_FORMAT`. */
export function fromEnd(image: Uint8Array, distance: number, what: string): ByteReader {
  if (distance > image.length || distance === 0)
    throw wrong(`${what} ${distance} bytes before the end`, "them in the image");
  return new ByteReader(image.subarray(image.length - distance), what);
}

/** The opposite of a GUID's text: as it lies in memory, hexadecimal. */
export function guidBytes(guid: string): Buffer {
  const [a, b, c, ...rest] = guid.split("-") as [string, string, string, ...string[]];
  const swapped = [a, b, c].map((group) => Buffer.from(group, "hex").reverse());
  return Buffer.concat([...swapped, Buffer.from(rest.join(""), "hex")]);
}

/** Ends at `at`; nothing of it before `start`. */
function readEntry(image: Uint8Array, start: number, at: number): {readonly guid: string; readonly size: number} {
  if (at - entryHeaderBytes < start) throw wrong("a cut entry", "whole ones");
  const reader = new ByteReader(image.subarray(at - entryHeaderBytes, at), "firmware table");
  const size = reader.u16le();
  const guid = guidText(reader.take(16));
  if (size < entryHeaderBytes || at - size < start) throw wrong(`an entry of ${size} bytes`, "one within its table");
  return {guid, size};
}

function guidText(bytes: Uint8Array): string {
  const part = (from: number, to: number, swap: boolean) => {
    const group = Uint8Array.from(bytes.subarray(from, to));
    return encodeHex(swap ? group.reverse() : group);
  };
  return [part(0, 4, true), part(4, 6, true), part(6, 8, true), part(8, 10, false), part(10, 16, false)].join("-");
}

export function wrong(found: string, expected: string): EnclaveError {
  return new EnclaveError("FIRMWARE_FORMAT", `firmware: found ${found}, expected ${expected}`);
}
