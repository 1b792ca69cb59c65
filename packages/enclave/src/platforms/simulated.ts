/** The simulated platform as the enclave sees it: evidence comes over the control channel, from whoever started it. */
import {type Evidence, evidenceFromParts, evidenceParts} from "@tf-trusted/attestation";
import {EnclaveError} from "../enclave-error.ts";
import type {ControlChannel, EnclaveMessage, LauncherMessage} from "./control-channel.ts";
import type {Platform} from "./platform.ts";

/** A quoting service that doesn't answer is as good as none. */
const answerWithinMs = 10_000;

export interface SimulatedPlatformClient extends Platform {
  /** To be called with the launcher's answers. */
  receive(message: LauncherMessage): void;
}

export function simulatedPlatform(
  channel: ControlChannel<EnclaveMessage>,
  measurement: string,
): SimulatedPlatformClient {
  const waiting = new Map<number, (message: LauncherMessage | undefined) => void>();
  let lastId = 0;
  return {
    kind: "simulated",
    capabilities: {sealing: false, monotonicCounter: false, trustedTime: false},
    measurement: () => measurement,
    evidence: async (reportData) => {
      const id = ++lastId;
      const answer = await new Promise<LauncherMessage | undefined>((resolve) => {
        const timer = setTimeout(() => resolve(undefined), answerWithinMs);
        waiting.set(id, (message) => {
          clearTimeout(timer);
          resolve(message);
        });
        channel.send({kind: "quote", id, reportData: Buffer.from(reportData).toString("base64")});
      });
      waiting.delete(id);
      if (answer?.kind !== "evidence") {
        throw new EnclaveError(
          "PLATFORM_FAILED",
          answer === undefined ? `no evidence within ${answerWithinMs} ms` : "the launcher made no evidence",
        );
      }
      return decodeEvidence(answer);
    },
    sealingKey: async () => {
      throw new EnclaveError("SEALING_MISSING", "the simulated platform has no sealing key");
    },
    receive: (message) => {
      if ("id" in message) waiting.get(message.id)?.(message);
    },
  };
}

/** Evidence as the launcher's answer. */
export function encodeEvidence(id: number, evidence: Evidence): LauncherMessage {
  const {kind, body, collateral} = evidenceParts(evidence);
  return {
    kind: "evidence",
    id,
    evidenceKind: kind,
    body: Buffer.from(body).toString("base64"),
    collateral: mapValues(collateral, (part) => Buffer.from(part).toString("base64")),
  };
}

function decodeEvidence({evidenceKind, body, collateral}: Extract<LauncherMessage, {kind: "evidence"}>): Evidence {
  return evidenceFromParts({kind: evidenceKind, body: plainBytes(body), collateral: mapValues(collateral, plainBytes)});
}

function mapValues<From, To>(record: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function plainBytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}
