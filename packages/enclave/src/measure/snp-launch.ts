/**
 * The launch digest of a SEV-SNP guest (AMD 56860, SNP_LAUNCH_UPDATE and "PAGE_INFO"): a chain of SHA-384 over a record of 112
 * bytes a page: the firmware's pages, what its metadata asks for, and one save area (VMSA) a virtual processor. With direct
 * boot a page of the hashes of kernel, initrd and command line is one of them, and AMD's variant of OVMF enforces it.
 */
import {createHash} from "node:crypto";
import {fromEnd, guidBytes, numberEntry, pageBytes, readFirmwareTable, wrong} from "./firmware.ts";

export interface SnpLaunch {
  readonly firmware: Uint8Array;
  readonly vcpus: number;
  readonly cpu: SnpCpu;
  /** Direct boot. `commandLine` without a final zero. */
  readonly boot?: {readonly kernel: Uint8Array; readonly initrd: Uint8Array; readonly commandLine: string};
  /** SEV_FEATURES of the save areas; default: 1, SNP alone. */
  readonly guestFeatures?: bigint;
  /** Who starts the guest, which shows in the registers; default: QEMU with KVM. */
  readonly vmm?: SnpVmm;
}

/** Family, model and stepping as QEMU's CPU types have them (AMD 25481, CPUID Fn0000_0001_EAX). */
const cpus = {
  EPYC: [23, 1, 2],
  "EPYC-Rome": [23, 49, 0],
  "EPYC-Milan": [25, 1, 1],
  "EPYC-Genoa": [25, 17, 0],
  "EPYC-Turin": [26, 0, 0],
} as const;
export type SnpCpu = keyof typeof cpus;
export const snpCpus: readonly SnpCpu[] = Object.keys(cpus) as SnpCpu[];

/** The registers in which hypervisors differ. */
interface VmmRegisters {
  readonly csAttributes: (eip: number) => number;
  readonly ssAttributes: number;
  readonly trAttributes: number;
  /** `undefined`: the CPU's signature. */
  readonly rdx: number | undefined;
  readonly mxcsr: number;
  readonly fcw: number;
  readonly pat: bigint;
}

const vmms = {
  qemu: {
    csAttributes: () => 0x9b,
    ssAttributes: 0x93,
    trAttributes: 0x8b,
    rdx: undefined,
    mxcsr: 0x1f80,
    fcw: 0x37f,
    pat: 0x0007040600070406n,
  },
  ec2: {
    csAttributes: (eip) => (eip === bootEip ? 0x9a : 0x9b),
    ssAttributes: 0x92,
    trAttributes: 0x83,
    rdx: 0x600,
    mxcsr: 0,
    fcw: 0,
    pat: 0x0007040600070406n,
  },
  gce: {
    csAttributes: () => 0x9b,
    ssAttributes: 0x93,
    trAttributes: 0x8b,
    rdx: 0x600,
    mxcsr: 0,
    fcw: 0,
    pat: 0x00070106n,
  },
} as const satisfies Readonly<Record<string, VmmRegisters>>;
export type SnpVmm = keyof typeof vmms;
export const snpVmms: readonly SnpVmm[] = Object.keys(vmms) as SnpVmm[];

const entries = {
  metadata: "dc886566-984a-4798-a75e-5585a7bf67cc",
  resetBlock: "00f771de-1a7e-4fcb-890e-68c77e2fb44e",
  hashTable: "7255371f-3a3b-4b04-927b-1da6efa8d454",
} as const;

/** PAGE_TYPE. */
const pageTypes = {normal: 1, vmsa: 2, zero: 3, unmeasured: 4, secrets: 5, cpuid: 6} as const;
/** Sections of OVMF's metadata (edk2: OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm). */
const sections = {memory: 1, secrets: 2, cpuid: 3, svsmCaa: 4, kernelHashes: 0x10} as const;

const digestBytes = 48;
const fourGiB = 2 ** 32;
const bootEip = 0xfffffff0;
/** Where the firmware of SNP keeps save areas, for the record: all bits of the address that count. */
const vmsaAddress = 0xfffffffff000n;
const maxVcpus = 4096;
const maxSections = 64;
const maxSectionBytes = 256 * 2 ** 20;

/** 48 bytes. Throws `FIRMWARE_FORMAT`. */
export function measureSnpLaunch(launch: SnpLaunch): Uint8Array {
  const {firmware, vcpus, boot, vmm = "qemu"} = launch;
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > maxVcpus)
    throw wrong(`${vcpus} virtual processors`, `1 to ${maxVcpus}`);
  const table = readFirmwareTable(firmware);
  const digest = new LaunchDigest();
  digest.content(pageTypes.normal, fourGiB - firmware.length, firmware);

  const metadata = readMetadata(firmware, numberEntry(table, entries.metadata, "SEV metadata"));
  if (boot !== undefined && !metadata.some(({type}) => type === sections.kernelHashes)) {
    throw wrong("no page for the hashes of a kernel", "AMD's variant of OVMF (OvmfPkg/AmdSev)");
  }
  const hashesAt = boot === undefined ? 0 : numberEntry(table, entries.hashTable, "table of hashes");
  for (const {address, size, type} of metadata) {
    switch (type) {
      case sections.memory:
        digest.blank(vmm === "gce" ? pageTypes.unmeasured : pageTypes.zero, address, size);
        break;
      case sections.svsmCaa:
        digest.blank(pageTypes.zero, address, size);
        break;
      case sections.secrets:
        digest.blank(pageTypes.secrets, address, pageBytes);
        break;
      case sections.cpuid:
        if (vmm !== "ec2") digest.blank(pageTypes.cpuid, address, pageBytes);
        break;
      case sections.kernelHashes:
        if (boot === undefined) digest.blank(pageTypes.zero, address, size);
        else digest.content(pageTypes.normal, address, hashesPage(boot, hashesAt % pageBytes, size));
        break;
      default:
        throw wrong(`a metadata section of type ${type}`, Object.values(sections).join(", "));
    }
  }
  // EC2 adds the page of CPUID when all others are there.
  if (vmm === "ec2") {
    for (const {address, type} of metadata)
      if (type === sections.cpuid) digest.blank(pageTypes.cpuid, address, pageBytes);
  }

  const save = (eip: number) => saveArea(launch, eip);
  digest.vmsa(save(bootEip));
  if (vcpus > 1) {
    const other = save(numberEntry(table, entries.resetBlock, "reset block of further processors"));
    for (let i = 1; i < vcpus; i++) digest.vmsa(other);
  }
  return digest.value;
}

class LaunchDigest {
  value: Uint8Array = new Uint8Array(digestBytes);

  content(type: number, address: number, bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; offset += pageBytes) {
      this.#extend(type, BigInt(address + offset), sha384(bytes.subarray(offset, offset + pageBytes)));
    }
  }

  blank(type: number, address: number, size: number): void {
    for (let offset = 0; offset < size; offset += pageBytes) {
      this.#extend(type, BigInt(address + offset), new Uint8Array(digestBytes));
    }
  }

  vmsa(area: Uint8Array): void {
    this.#extend(pageTypes.vmsa, vmsaAddress, sha384(area));
  }

  /** PAGE_INFO: digest so far, of the page, its own length, type, no IMI page, no permissions of other VMPLs, address. */
  #extend(type: number, address: bigint, contents: Uint8Array): void {
    const record = Buffer.alloc(0x70);
    record.set(this.value, 0);
    record.set(contents, digestBytes);
    record.writeUInt16LE(record.length, 2 * digestBytes);
    record[2 * digestBytes + 2] = type;
    record.writeBigUInt64LE(address, 2 * digestBytes + 8);
    this.value = sha384(record);
  }
}

interface MetadataSection {
  readonly address: number;
  readonly size: number;
  readonly type: number;
}

function readMetadata(firmware: Uint8Array, distance: number): readonly MetadataSection[] {
  const reader = fromEnd(firmware, distance, "SEV metadata");
  if (reader.remaining < 16 || Buffer.from(reader.take(4)).toString("latin1") !== "ASEV")
    throw wrong("another signature", "ASEV");
  const length = reader.u32le();
  const [version, count] = [reader.u32le(), reader.u32le()];
  if (version !== 1) throw wrong(`SEV metadata of version ${version}`, "1");
  if (count > maxSections || length < 16 + count * 12 || reader.remaining < count * 12) {
    throw wrong(`${count} sections in ${length} bytes`, `${maxSections} at most, all in the image`);
  }
  return Array.from({length: count}, () => {
    const [address, size, type] = [reader.u32le(), reader.u32le(), reader.u32le()];
    if (size % pageBytes !== 0 || address % pageBytes !== 0 || size > maxSectionBytes) {
      throw wrong(`a section of ${size} bytes at ${address}`, `whole pages, ${maxSectionBytes} bytes at most`);
    }
    return {address, size, type};
  });
}

/** QEMU: target/i386/sev.c, "SEV kernel hashes": GUID, length, then command line, initrd and kernel, each by GUID. */
const hashGuids = {
  table: "9438d606-4f22-4cc9-b479-a793d411fd21",
  kernel: "4de79437-abd2-427f-b835-d5b172d2045b",
  initrd: "44baf731-3a2f-4bd7-9af1-41e29169781d",
  commandLine: "97d02dd8-bd20-4c94-aa78-e7714d36ab2a",
} as const;

function hashesPage(boot: NonNullable<SnpLaunch["boot"]>, offset: number, size: number): Uint8Array {
  const entry = (guid: string, content: Uint8Array) => withHeader(guid, createHash("sha256").update(content).digest());
  const table = withHeader(
    hashGuids.table,
    Buffer.concat([
      entry(hashGuids.commandLine, Buffer.from(`${boot.commandLine}\0`)),
      entry(hashGuids.initrd, boot.initrd),
      entry(hashGuids.kernel, boot.kernel),
    ]),
  );
  if (size !== pageBytes || offset + table.length > size)
    throw wrong(`${size} bytes for hashes at ${offset}`, "one page with room");
  const page = Buffer.alloc(size);
  page.set(table, offset);
  return page;
}

function withHeader(guid: string, content: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(content.length + 18);
  return Buffer.concat([guidBytes(guid), length, content]);
}

/** AMD 24593 (APM vol. 2) table B-4, as KVM fills it in before the first instruction. */
function saveArea({cpu, guestFeatures = 1n, vmm = "qemu"}: SnpLaunch, eip: number): Uint8Array {
  const registers: VmmRegisters = vmms[vmm];
  const area = Buffer.alloc(pageBytes);
  const segment = (offset: number, selector: number, attributes: number, base = 0) => {
    area.writeUInt16LE(selector, offset);
    area.writeUInt16LE(attributes, offset + 2);
    area.writeUInt32LE(0xffff, offset + 4);
    area.writeBigUInt64LE(BigInt(base), offset + 8);
  };
  const low = eip % 0x10000;
  segment(0x00, 0, 0x93); // ES
  segment(0x10, 0xf000, registers.csAttributes(eip), eip - low); // CS
  segment(0x20, 0, registers.ssAttributes); // SS
  segment(0x30, 0, 0x93); // DS
  segment(0x40, 0, 0x93); // FS
  segment(0x50, 0, 0x93); // GS
  segment(0x60, 0, 0); // GDTR
  segment(0x70, 0, 0x82); // LDTR
  segment(0x80, 0, 0); // IDTR
  segment(0x90, 0, registers.trAttributes); // TR
  const numbers: readonly (readonly [offset: number, value: bigint])[] = [
    [0xd0, 0x1000n], // EFER: SVME
    [0x148, 0x40n], // CR4: MCE
    [0x158, 0x10n], // CR0: ET
    [0x160, 0x400n], // DR7
    [0x168, 0xffff0ff0n], // DR6
    [0x170, 2n], // RFLAGS
    [0x178, BigInt(low)], // RIP
    [0x268, registers.pat], // G_PAT
    [0x310, BigInt(registers.rdx ?? signature(cpu))], // RDX
    [0x3b0, guestFeatures], // SEV_FEATURES
    [0x3e8, 1n], // XCR0
  ];
  for (const [offset, value] of numbers) area.writeBigUInt64LE(value, offset);
  area.writeUInt32LE(registers.mxcsr, 0x408);
  area.writeUInt16LE(registers.fcw, 0x410);
  return area;
}

/** CPUID Fn0000_0001_EAX. Families from 15 on have their rest in the extended part. */
function signature(cpu: SnpCpu): number {
  const [family, model, stepping] = cpus[cpu];
  return ((family - 15) << 20) | ((model >> 4) << 16) | (15 << 8) | ((model & 15) << 4) | stepping;
}

function sha384(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash("sha384").update(bytes).digest());
}
