/**
 * `/dev/attestation` as Gramine 1.9 behaves (platforms.md §3): state of the process, values cut or padded without a word,
 * a quote made when its file is opened, and EACCES for everything that goes wrong. Reads come in short pieces through the
 * same interface; what a caller sees is the whole.
 */
import {type DeviceFiles, systemError} from "../platforms/device-files.ts";

export interface AttestationFaults {
  /** Default: `dcap`. */
  readonly attestationType?: string;
  /** Whether it is the folder of gramine-direct: nothing but `keys/default`. */
  readonly direct?: boolean;
  /** What `fs.insecure__keys.default` set. */
  readonly insecureKey?: Uint8Array;
  readonly sealingKey?: Uint8Array;
  /** How many times the quoting service fails before it works. */
  readonly quoteFailures?: number;
  /** Another thread of the process writes between our write and the quote. */
  readonly racingWriter?: () => Uint8Array | undefined;
  /** Longest quote that is handed out; the file ends there. */
  readonly quoteLimit?: number;
}

export interface FakeAttestationDevice extends DeviceFiles {
  readonly quotes: () => number;
}

const root = "/dev/attestation/";

export function fakeAttestationDevice(
  makeQuote: (reportData: Uint8Array) => Promise<Uint8Array>,
  faults: AttestationFaults = {},
): FakeAttestationDevice {
  let userReportData = new Uint8Array(64);
  let failures = faults.quoteFailures ?? 0;
  let quotes = 0;

  const text = (value: string) => new TextEncoder().encode(value);
  const type = faults.attestationType ?? "dcap";
  const reads: Readonly<Record<string, () => Promise<Uint8Array> | Uint8Array>> = {
    "keys/default": () => faults.insecureKey ?? new Uint8Array(0),
    ...(!faults.direct && {
      attestation_type: () => text(type),
      user_report_data: () => userReportData,
      "keys/_sgx_mrenclave": () => faults.sealingKey ?? new Uint8Array(16).fill(7),
      ...(type === "dcap" && {
        quote: async () => {
          if (failures-- > 0) throw systemError("EACCES", "quote");
          userReportData = new Uint8Array(faults.racingWriter?.() ?? userReportData);
          quotes++;
          return (await makeQuote(userReportData)).subarray(0, faults.quoteLimit);
        },
      }),
    }),
  };
  return {
    quotes: () => quotes,
    read: async (path, maxBytes) => {
      const read = path.startsWith(root) ? reads[path.slice(root.length)] : undefined;
      if (read === undefined) throw systemError("ENOENT", path);
      const bytes = await read();
      if (bytes.length > maxBytes) throw systemError("EFBIG", path);
      return Uint8Array.from(bytes);
    },
    write: async (path, bytes) => {
      if (path !== `${root}user_report_data` || faults.direct) throw systemError("ENOENT", path);
      userReportData = new Uint8Array(64);
      userReportData.set(bytes.subarray(0, 64));
    },
    makeFolder: async (path) => {
      throw systemError(path.startsWith(root) ? "EACCES" : "ENOENT", path);
    },
    removeFolder: async (path) => {
      throw systemError("EACCES", path);
    },
  };
}
