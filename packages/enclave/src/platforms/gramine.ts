/**
 * Gramine-SGX as the enclave sees it: `/dev/attestation` (platforms.md §3). The folder is a pseudo file system inside the
 * enclave; its answers come from the CPU and, for quotes, from the host's quoting service, which is not trusted: what it
 * signs is checked by the caller, what it was asked is checked here.
 */
import {hkdfSync, randomBytes} from "node:crypto";
import {readUnverified, type SgxQuoteEvidence, type UnverifiedStatement} from "@tf-trusted/attestation";
import {encodeHex, equalBytes} from "@tf-trusted/core";
import {EnclaveError} from "../enclave-error.ts";
import {type DeviceFiles, systemCode} from "./device-files.ts";
import {inTurn} from "./in-turn.ts";
import type {Platform} from "./platform.ts";

export interface GramineOptions {
  readonly files: DeviceFiles;
  /** Default: `/dev/attestation`. */
  readonly folder?: string;
}

export const attestationFolder = "/dev/attestation";

/** Gramine's own buffer for quotes has 8 KB. */
const maxQuoteBytes = 16 * 2 ** 10;
const reportDataBytes = 64;
const sealingKeyBytes = 16;
/** A quote takes 10 to 100 ms; one of these asks the quoting service, which may just be starting. */
const quoteAttempts = 3;
const pauseMs = 200;

/**
 * Opens it and makes one quote, to know what the enclave is. Throws `PLATFORM_MISSING` outside of Gramine-SGX,
 * `PLATFORM_UNSAFE` where the enclave is for debugging, has no remote attestation or a key that the manifest gives away,
 * and `PLATFORM_FAILED`.
 */
export async function openGraminePlatform({files, folder = attestationFolder}: GramineOptions): Promise<Platform> {
  const turn = inTurn();

  async function quote(reportData: Uint8Array): Promise<UnverifiedStatement & {readonly evidence: SgxQuoteEvidence}> {
    if (reportData.length !== reportDataBytes) {
      // More than 64 bytes would be cut without a word.
      throw new EnclaveError(
        "PLATFORM_FAILED",
        `${reportData.length} bytes of report data, expected ${reportDataBytes}`,
      );
    }
    const bytes = await turn(() => quoteOnce(files, folder, reportData));
    const evidence: SgxQuoteEvidence = {kind: "sgx-quote", quote: bytes, collateral: {}};
    const statement = readStatement(evidence);
    if (!equalBytes(statement.reportData, reportData)) {
      throw new EnclaveError("PLATFORM_FAILED", "the quote carries other report data than was written");
    }
    return {...statement, evidence};
  }

  await checkAttestationType(files, folder);
  await checkDefaultKey(files, folder);
  const first = await quote(randomBytes(reportDataBytes));
  if (first.debug) {
    throw new EnclaveError(
      "PLATFORM_UNSAFE",
      "this enclave runs in debug mode, which lets the host read it; expected sgx.debug = false",
    );
  }
  const measurement = encodeHex(first.measurement);
  return {
    kind: "gramine",
    capabilities: {sealing: true, monotonicCounter: false, trustedTime: false},
    measurement: () => measurement,
    evidence: async (reportData) => {
      const now = await quote(reportData);
      if (encodeHex(now.measurement) !== measurement) {
        throw new EnclaveError("PLATFORM_FAILED", "the quote is of another enclave than the one at the start");
      }
      return now.evidence;
    },
    sealingKey: (label) => turn(() => deriveSealingKey(files, folder, label)),
  };
}

/** Writing and opening belong together: the quote is made when its file is opened. */
async function quoteOnce(files: DeviceFiles, folder: string, reportData: Uint8Array): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      await files.write(`${folder}/user_report_data`, reportData);
      const bytes = await files.read(`${folder}/quote`, maxQuoteBytes);
      if (bytes.length === 0) throw new EnclaveError("PLATFORM_FAILED", `${folder}/quote is empty, expected a quote`);
      return bytes;
    } catch (error) {
      // Every failure of the quoting service is EACCES here, passing ones as well.
      if (systemCode(error) === "EACCES" && attempt < quoteAttempts) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs * attempt));
        continue;
      }
      if (error instanceof EnclaveError) throw error;
      throw new EnclaveError(
        "PLATFORM_FAILED",
        `${folder}/quote can't be read (${systemCode(error) || "failed"}, ${attempt} attempts); ` +
          "expected the host to run the AESM service with a quoting enclave",
        {cause: error},
      );
    }
  }
}

function readStatement(evidence: SgxQuoteEvidence): UnverifiedStatement {
  try {
    return readUnverified(evidence);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "";
    throw new EnclaveError("PLATFORM_FAILED", `the host's quoting service gave no SGX quote: ${reason}`, {cause});
  }
}

async function checkAttestationType(files: DeviceFiles, folder: string): Promise<void> {
  const path = `${folder}/attestation_type`;
  let type: string;
  try {
    type = new TextDecoder().decode(await files.read(path, 64));
  } catch (cause) {
    throw new EnclaveError(
      "PLATFORM_MISSING",
      `${path} can't be read (${systemCode(cause) || "failed"}); it exists only in an enclave under gramine-sgx`,
      {cause},
    );
  }
  if (type === "dcap") return;
  throw new EnclaveError(
    "PLATFORM_UNSAFE",
    `${path} says ${JSON.stringify(type)}: nobody could verify this enclave; expected sgx.remote_attestation = "dcap"`,
  );
}

/** A default key at the start can only come from `fs.insecure__keys` in the manifest, which everybody can read. */
async function checkDefaultKey(files: DeviceFiles, folder: string): Promise<void> {
  const path = `${folder}/keys/default`;
  let key: Uint8Array;
  try {
    key = await files.read(path, 1024);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw new EnclaveError("PLATFORM_FAILED", `${path} can't be read (${systemCode(error) || "failed"})`, {
      cause: error,
    });
  }
  if (key.length === 0) return;
  throw new EnclaveError(
    "PLATFORM_UNSAFE",
    `${path} is set before anybody set it: the manifest has fs.insecure__keys.default; expected no insecure key`,
  );
}

/** HKDF-SHA-256 (RFC 5869) of the CPU's key for this MRENCLAVE, which is not used for anything else. */
async function deriveSealingKey(files: DeviceFiles, folder: string, label: string): Promise<Uint8Array> {
  const path = `${folder}/keys/_sgx_mrenclave`;
  let key: Uint8Array;
  try {
    key = await files.read(path, 1024);
  } catch (cause) {
    throw new EnclaveError("PLATFORM_FAILED", `${path} can't be read (${systemCode(cause) || "failed"})`, {cause});
  }
  if (key.length !== sealingKeyBytes || key.every((byte) => byte === 0)) {
    throw new EnclaveError(
      "PLATFORM_FAILED",
      `${path} holds no key; expected ${sealingKeyBytes} bytes that aren't zero`,
    );
  }
  const derived = new Uint8Array(hkdfSync("sha256", key, "tf-trusted/sealing/1", label, 32));
  key.fill(0);
  return derived;
}
