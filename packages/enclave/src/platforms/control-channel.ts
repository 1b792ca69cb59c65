/**
 * The one descriptor between launcher and enclave: JSON lines over a socket pair, at descriptor 3 of the enclave. For the
 * simulated platform the launcher is also the CPU: it knows what it measured before it started the process, and answers
 * requests for evidence with that. The enclave has no way to name another measurement.
 */
import type {Duplex} from "node:stream";
import type {GuestKind} from "./guest.ts";

/** To the enclave. Bytes are base64. */
export type LauncherMessage =
  | {
      readonly kind: "start";
      readonly host: string;
      readonly port: number;
      /** Of guests the launcher is a part of: the whole machine is the TEE. */
      readonly platform: "simulated" | GuestKind;
      /** What the launcher measured: what the simulated platform attests. */
      readonly measurement: string;
      readonly configuration: Readonly<Record<string, unknown>>;
    }
  | {
      readonly kind: "evidence";
      readonly id: number;
      readonly evidenceKind: string;
      readonly body: string;
      readonly collateral: Readonly<Record<string, string>>;
    }
  | {readonly kind: "no-evidence"; readonly id: number}
  | {readonly kind: "stop"};

/** From the enclave. */
export type EnclaveMessage =
  | {readonly kind: "ready"; readonly port: number; readonly measurement: string}
  | {readonly kind: "quote"; readonly id: number; readonly reportData: string}
  | {readonly kind: "failed"; readonly code: string; readonly message: string};

/** Longest line; evidence with its collateral takes about 30 KB. */
const maxLineBytes = 4 * 2 ** 20;

export interface ControlChannel<Out> {
  send(message: Out): void;
}

/** Calls `receive` for each message that comes. A line that isn't JSON, or is too long, closes the channel. */
export function openChannel<In, Out>(socket: Duplex, receive: (message: In) => void): ControlChannel<Out> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  socket.on("data", (data: Buffer) => {
    let rest = data;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...pending, rest.subarray(0, end)]).toString("utf8");
      pending = [];
      pendingBytes = 0;
      rest = rest.subarray(end + 1);
      let message: In;
      try {
        message = JSON.parse(line) as In;
      } catch (error) {
        socket.destroy(error as Error);
        return;
      }
      receive(message);
    }
    pending.push(rest);
    pendingBytes += rest.length;
    if (pendingBytes > maxLineBytes) socket.destroy(new Error("the control channel got a line without end"));
  });
  return {
    send: (message) => {
      if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
    },
  };
}
