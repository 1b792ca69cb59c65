/**
 * Byte layouts of TD reports in quotes: Intel, "TDX DCAP Quoting Library" §A, bodies of type 2 (TDX 1.0), 3 (TDX 1.5) and
 * 4 (TDX 1.5, extended).
 */
import {type ByteReader, concatBytes} from "@tf-trusted/core";
import {bytes, field, type LayoutValue, layout} from "../../bytes/layout.ts";

export const tdReport10 = layout("TD report", 584, [
  field("teeTcbSvn", 0, bytes(16)),
  field("mrSeam", 16, bytes(48)),
  field("mrSignerSeam", 64, bytes(48)),
  field("seamAttributes", 112, bytes(8)),
  field("tdAttributes", 120, bytes(8)),
  field("xfam", 128, bytes(8)),
  field("mrTd", 136, bytes(48)),
  field("mrConfigId", 184, bytes(48)),
  field("mrOwner", 232, bytes(48)),
  field("mrOwnerConfig", 280, bytes(48)),
  field("rtmr0", 328, bytes(48)),
  field("rtmr1", 376, bytes(48)),
  field("rtmr2", 424, bytes(48)),
  field("rtmr3", 472, bytes(48)),
  field("reportData", 520, bytes(64)),
]);

/** What TDX 1.5 adds. The first TCB numbers are those at launch, these the module's now. */
export const tdReport15Addition = layout("TD report, TDX 1.5", 64, [
  field("teeTcbSvn2", 0, bytes(16)),
  field("mrServiceTd", 16, bytes(48)),
]);

/** What the extended form adds to that. */
export const tdReport15Extension = layout("TD report, TDX 1.5 extended", 237, [
  field("vmId", 0, bytes(1)),
  field("tdId", 1, bytes(32)),
  field("devInfo", 33, bytes(48)),
  field("initServTdHash", 81, bytes(48)),
  field("initServTdAttributes", 129, bytes(8)),
  field("initCpuSvn", 137, bytes(16)),
  field("initTeeTcbSvn", 153, bytes(16)),
  field("initTeeFmspc", 169, bytes(12)),
  field("curServTdHash", 181, bytes(48)),
  field("curServTdAttributes", 229, bytes(8)),
]);

export type TdReport = LayoutValue<typeof tdReport10> & {
  /** `null` in TDX 1.0. */
  readonly addition: LayoutValue<typeof tdReport15Addition> | null;
  readonly extension: LayoutValue<typeof tdReport15Extension> | null;
};

/** Sizes and readers by the type of the body in version 5; version 4 has the first. */
export const tdBodies = [
  {type: 2, size: tdReport10.size, read: (reader: ByteReader) => read(reader, false, false)},
  {type: 3, size: tdReport10.size + tdReport15Addition.size, read: (reader: ByteReader) => read(reader, true, false)},
  {
    type: 4,
    size: tdReport10.size + tdReport15Addition.size + tdReport15Extension.size,
    read: (reader: ByteReader) => read(reader, true, true),
  },
] as const;

/** TD attributes: the first byte holds the bits that make a TD untrusted (TUD), DEBUG among them. */
export const TD_ATTRIBUTE_DEBUG = 0x01;

/** The bytes of a report: the opposite of reading. Throws `LAYOUT_INVALID`. */
export function encodeTdReport({addition, extension, ...report}: TdReport): Uint8Array<ArrayBuffer> {
  return concatBytes(
    tdReport10.encode(report),
    addition ? tdReport15Addition.encode(addition) : new Uint8Array(0),
    extension ? tdReport15Extension.encode(extension) : new Uint8Array(0),
  );
}

function read(reader: ByteReader, hasAddition: boolean, isExtended: boolean): TdReport {
  return Object.freeze({
    ...tdReport10.read(reader),
    addition: hasAddition ? tdReport15Addition.read(reader) : null,
    extension: isExtended ? tdReport15Extension.read(reader) : null,
  });
}
