/** The loadable segments of an ELF file for x86-64 (System V ABI, "Program Header"): all that SGX measurement needs of it. */
import {ByteReader} from "@tf-trusted/core";
import {EnclaveError} from "../enclave-error.ts";

export interface ElfSegment {
  readonly fileOffset: number;
  readonly address: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  /** X 1, W 2, R 4. */
  readonly permissions: number;
}

export interface ElfImage {
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
}

const PT_LOAD = 1;
const EM_X86_64 = 62;
const headerBytes = 64;
const programHeaderBytes = 56;
const maxSegments = 64;
/** No loader of an enclave is larger; every page of it is hashed. */
const maxAddress = 2 ** 26;

/** Throws `GRAMINE_LAYOUT`. */
export function readElf(bytes: Uint8Array): ElfImage {
  if (bytes.length < headerBytes) throw wrong(`${bytes.length} bytes`, "an ELF file");
  const reader = new ByteReader(bytes, "ELF file");
  const ident = reader.take(16);
  if (ident[0] !== 0x7f || String.fromCharCode(...ident.subarray(1, 4)) !== "ELF" || ident[4] !== 2 || ident[5] !== 1) {
    throw wrong("another beginning", "that of a 64-bit little-endian ELF file");
  }
  reader.take(2);
  const machine = reader.u16le();
  if (machine !== EM_X86_64) throw wrong(`machine ${machine}`, `${EM_X86_64} (x86-64)`);
  reader.take(4);
  const [entry, tableOffset] = [small(reader.u64le(), "entry"), small(reader.u64le(), "program header table")];
  reader.take(8 + 4 + 2);
  const [size, count] = [reader.u16le(), reader.u16le()];
  if (size !== programHeaderBytes || count > maxSegments || tableOffset + count * size > bytes.length) {
    throw wrong(`${count} program headers of ${size} bytes at ${tableOffset}`, "a table within the file");
  }
  const table = new ByteReader(bytes.subarray(tableOffset), "program headers");
  const segments: ElfSegment[] = [];
  for (let i = 0; i < count; i++) {
    const type = table.u32le();
    const permissions = table.u32le();
    const [fileOffset, address] = [small(table.u64le(), "offset"), small(table.u64le(), "address")];
    table.take(8);
    const [fileBytes, memoryBytes] = [small(table.u64le(), "size"), small(table.u64le(), "size in memory")];
    table.take(8);
    if (type !== PT_LOAD) continue;
    if (fileBytes > memoryBytes || fileOffset + fileBytes > bytes.length) {
      throw wrong(`a segment of ${fileBytes} bytes at ${fileOffset}`, "one within the file");
    }
    const end = segments.length === 0 ? 0 : segments.at(-1)!.address + segments.at(-1)!.memoryBytes;
    if (address < end || address + memoryBytes > maxAddress) {
      throw wrong(
        `a segment of ${memoryBytes} bytes for address ${address}`,
        `one after the last, below ${maxAddress}`,
      );
    }
    segments.push({fileOffset, address, fileBytes, memoryBytes, permissions});
  }
  if (segments.length === 0) throw wrong("no segment to load", "at least one");
  return {entry, segments};
}

function small(value: bigint, what: string): number {
  if (value > BigInt(maxAddress)) throw wrong(`${what} ${value}`, `${maxAddress} at most`);
  return Number(value);
}

function wrong(found: string, expected: string): EnclaveError {
  return new EnclaveError("GRAMINE_LAYOUT", `libpal.so: found ${found}, expected ${expected}`);
}
