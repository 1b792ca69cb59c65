/** `HOST:PORT` as people write it. */
import {ClientError} from "./client-error.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`, `1.2.3.4:port` and `[::1]:port`. Throws `ADDRESS`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new ClientError("ADDRESS", `found ${JSON.stringify(text.slice(0, 200))}, expected HOST:PORT`);
  }
  return {host: (match[1] ?? match[2])!, port};
}
