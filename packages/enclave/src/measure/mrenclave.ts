/**
 * MRENCLAVE of an enclave under Gramine, from the files that make it: the signed manifest and Gramine's loader `libpal.so`
 * (platforms.md §5; the measurement itself: Intel SDM vol. 3D, ECREATE, EADD, EEXTEND). Whoever has the manifest, the
 * release of Gramine and the files that the manifest lists can so make the number that a policy names, without a signer.
 */
import {createHash, type Hash} from "node:crypto";
import {EnclaveError} from "../enclave-error.ts";
import {readElf} from "./elf.ts";
import {type GramineManifest, parseGramineManifest} from "./gramine-manifest.ts";

/** What a release of Gramine puts where in an enclave. Sizes in bytes; offsets within a thread's page. */
interface GramineLayout {
  readonly ssaFramePages: number;
  readonly ssaFrames: number;
  readonly stackPages: number;
  readonly signalStackPages: number;
  readonly heapMin: number;
  readonly registersBytes: number;
  readonly canary: bigint;
  readonly thread: {
    readonly self: number;
    readonly canary: number;
    readonly enclaveSize: number;
    readonly tcsOffset: number;
    readonly stackTop: number;
    readonly signalStackLow: number;
    readonly signalStackHigh: number;
    readonly ssa: number;
    readonly registers: number;
    readonly manifestBytes: number;
    readonly heapMin: number;
    readonly heapMax: number;
  };
}

const layout16: GramineLayout = {
  ssaFramePages: 4,
  ssaFrames: 2,
  stackPages: 64,
  signalStackPages: 16,
  heapMin: 0x10000,
  registersBytes: 184,
  canary: 0xbadbadbadbadn,
  thread: {
    self: 0,
    canary: 8,
    enclaveSize: 272,
    tcsOffset: 280,
    stackTop: 288,
    signalStackLow: 304,
    signalStackHigh: 312,
    ssa: 328,
    registers: 336,
    manifestBytes: 416,
    heapMin: 424,
    heapMax: 432,
  },
};

/** By release. 1.9 was compared with its signing tool; the others have the same structures in their sources. */
const layouts = {"1.6.2": layout16, "1.7": layout16, "1.8": layout16, "1.9": layout16} as const;

export type GramineVersion = keyof typeof layouts;
export const gramineVersions: readonly GramineVersion[] = Object.keys(layouts) as GramineVersion[];

export interface GramineEnclaveFiles {
  /** `NAME.manifest.sgx`, byte for byte. */
  readonly manifest: Uint8Array;
  /** `sgx/libpal.so` of the release. */
  readonly libpal: Uint8Array;
  readonly version: GramineVersion;
}

const page = 4096;
const chunk = 256;
const flags = {read: 0x1, write: 0x2, execute: 0x4, tcs: 0x100, regular: 0x200} as const;
/** ELF's R, W, X as those of SGX pages. */
const permissionFlags = (elf: number) => ((elf >> 2) & 1) | (elf & 2) | ((elf & 1) << 2);
/** Of bytes hashed a measurement: 1 TiB of address space without EDMM would take an hour. */
const maxEnclaveBytes = 2n ** 40n;
const maxFixedBytes = 2n ** 37n;

/** Hexadecimal. Throws `GRAMINE_MANIFEST` and `GRAMINE_LAYOUT`. */
export function measureGramineEnclave({manifest, libpal, version}: GramineEnclaveFiles): string {
  const layout = layouts[version];
  const parsed = parseGramineManifest(decode(manifest));
  const size = checkSize(parsed);
  const {maxThreads, edmm} = parsed;
  const elf = readElf(libpal);
  const firstPage = Math.min(...elf.segments.map(({address}) => floor(address)));
  if (firstPage !== 0) throw new EnclaveError("GRAMINE_LAYOUT", `libpal.so begins at ${firstPage}, expected 0`);
  const palBytes = Math.max(...elf.segments.map(({address, memoryBytes}) => ceil(address + memoryBytes)));

  // From the end of the enclave downwards.
  let next = size;
  const place = (bytes: number): number => {
    next -= ceil(bytes);
    if (next < layout.heapMin) {
      throw new EnclaveError("GRAMINE_MANIFEST", `sgx.enclave_size is too small for ${maxThreads} threads`);
    }
    return next;
  };
  const ssaBytes = layout.ssaFramePages * layout.ssaFrames * page;
  const content = Buffer.concat([manifest, Buffer.of(0)]);
  const manifestAt = place(content.length);
  const ssa = place(maxThreads * ssaBytes);
  const tcs = place(maxThreads * page);
  const tls = place(maxThreads * page);
  const stacks = Array.from({length: maxThreads}, () => place(layout.stackPages * page));
  const signalStacks = Array.from({length: maxThreads}, () => place(layout.signalStackPages * page));
  const pal = place(palBytes);

  const digest = new EnclaveDigest(layout.ssaFramePages, size);
  const {read, write, execute, regular} = flags;
  digest.add(manifestAt, content, content.length, read | regular);
  digest.add(ssa, nothing, maxThreads * ssaBytes, read | write | regular);
  for (let i = 0; i < maxThreads; i++) digest.add(tcs + i * page, tcsPage(i), page, flags.tcs);
  for (let i = 0; i < maxThreads; i++) digest.add(tls + i * page, threadPage(i), page, read | write | regular);
  for (const stack of stacks) digest.add(stack, nothing, layout.stackPages * page, read | write | regular);
  for (const stack of signalStacks) digest.add(stack, nothing, layout.signalStackPages * page, read | write | regular);
  for (const {fileOffset, address, fileBytes, memoryBytes, permissions} of elf.segments) {
    const start = floor(address);
    // Pages hold what the file has there, but nothing from outside of the segment.
    const before = fileOffset - floor(fileOffset);
    const bytes = Buffer.concat([Buffer.alloc(before), libpal.subarray(fileOffset, fileOffset + fileBytes)]);
    digest.add(pal + start, bytes, ceil(address + memoryBytes) - start, regular | permissionFlags(permissions));
  }
  if (!edmm) digest.addUnmeasured(layout.heapMin, pal - layout.heapMin, read | write | execute | regular);
  return digest.finish();

  function tcsPage(i: number): Buffer {
    const bytes = Buffer.alloc(page);
    bytes.writeBigUInt64LE(BigInt(ssa + i * ssaBytes), 16);
    bytes.writeUInt32LE(layout.ssaFrames, 28);
    bytes.writeBigUInt64LE(BigInt(pal + elf.entry), 32);
    bytes.writeBigUInt64LE(BigInt(tls + i * page), 56);
    bytes.writeUInt32LE(0xfff, 64);
    bytes.writeUInt32LE(0xfff, 68);
    return bytes;
  }

  function threadPage(i: number): Buffer {
    const ownSsa = ssa + i * ssaBytes;
    const values: Readonly<Record<keyof GramineLayout["thread"], number | bigint>> = {
      self: tls + i * page,
      canary: layout.canary,
      enclaveSize: size,
      tcsOffset: tcs + i * page,
      stackTop: stacks[i]! + layout.stackPages * page,
      signalStackLow: signalStacks[i]!,
      signalStackHigh: signalStacks[i]! + layout.signalStackPages * page,
      ssa: ownSsa,
      registers: ownSsa + layout.ssaFramePages * page - layout.registersBytes,
      manifestBytes: content.length,
      heapMin: layout.heapMin,
      heapMax: pal,
    };
    const bytes = Buffer.alloc(page);
    for (const [name, offset] of Object.entries(layout.thread)) {
      bytes.writeBigUInt64LE(BigInt(values[name as keyof typeof values]), offset);
    }
    return bytes;
  }
}

/** SHA-256 over records of 64 bytes, and the content of measured pages. */
class EnclaveDigest {
  readonly #hash: Hash = createHash("sha256");
  readonly #pending = Buffer.alloc(1 << 20);
  #used = 0;

  constructor(ssaFramePages: number, size: number) {
    const record = this.#record("ECREATE");
    record.writeUInt32LE(ssaFramePages, 8);
    record.writeBigUInt64LE(BigInt(size), 12);
  }

  /** `bytes` of memory from `address` on, of which the first are `content`. */
  add(address: number, content: Uint8Array, bytes: number, pageFlags: number): void {
    for (let offset = 0; offset < ceil(bytes); offset += page) {
      this.#addPage(address + offset, pageFlags);
      for (let part = offset; part < offset + page; part += chunk) {
        this.#record("EEXTEND").writeBigUInt64LE(BigInt(address + part), 8);
        this.#room(chunk);
        if (part < content.length) this.#pending.set(content.subarray(part, part + chunk), this.#used);
        this.#used += chunk;
      }
    }
  }

  addUnmeasured(address: number, bytes: number, pageFlags: number): void {
    for (let offset = 0; offset < bytes; offset += page) this.#addPage(address + offset, pageFlags);
  }

  finish(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #addPage(address: number, pageFlags: number): void {
    const record = this.#record("EADD");
    record.writeBigUInt64LE(BigInt(address), 8);
    record.writeUInt32LE(pageFlags, 16);
  }

  #record(name: string): Buffer {
    this.#room(64);
    const record = this.#pending.subarray(this.#used, this.#used + 64);
    record.write(name, "latin1");
    this.#used += 64;
    return record;
  }

  #room(bytes: number): void {
    if (this.#used + bytes > this.#pending.length) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#pending.subarray(0, this.#used));
    this.#pending.fill(0);
    this.#used = 0;
  }
}

const nothing = new Uint8Array(0);

function checkSize({enclaveBytes, edmm}: GramineManifest): number {
  const most = edmm ? maxEnclaveBytes : maxFixedBytes;
  if (enclaveBytes <= 0n || enclaveBytes > most || (enclaveBytes & (enclaveBytes - 1n)) !== 0n) {
    throw new EnclaveError(
      "GRAMINE_MANIFEST",
      `sgx.enclave_size is ${enclaveBytes}, expected a power of two up to ${most}`,
    );
  }
  return Number(enclaveBytes);
}

function decode(manifest: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", {fatal: true}).decode(manifest);
  } catch (cause) {
    throw new EnclaveError("GRAMINE_MANIFEST", "the manifest isn't UTF-8 text", {cause});
  }
}

function floor(address: number): number {
  return address - (address % page);
}

function ceil(address: number): number {
  return floor(address + page - 1);
}
