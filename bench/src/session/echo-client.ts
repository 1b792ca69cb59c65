/** A bare TLS exchange of as many bytes as a call has, in both directions. */
import {fork} from "node:child_process";
import {once} from "node:events";
import {connect} from "node:tls";
import {fileURLToPath} from "node:url";
import {findEnclaveNode} from "@tf-trusted/enclave";

export interface EchoClient {
  /** Milliseconds of one exchange. */
  exchange(): Promise<number>;
  close(): void;
}

export async function startEcho(requestBytes: number, answerBytes: number): Promise<EchoClient> {
  const child = fork(fileURLToPath(new URL("echo-process.js", import.meta.url)), {
    execPath: findEnclaveNode(),
    execArgv: [],
  });
  const [{port}] = (await once(child, "message")) as [{readonly port: number}];
  const socket = connect({port, host: "127.0.0.1", rejectUnauthorized: false, minVersion: "TLSv1.3"});
  await once(socket, "secureConnect");
  socket.setNoDelay(true);
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32BE(requestBytes, 0);
  sizes.writeUInt32BE(answerBytes, 4);
  socket.write(sizes);
  await once(socket, "data");
  const request = Buffer.alloc(requestBytes);
  let left = 0;
  let done: () => void = () => undefined;
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left === 0) done();
  });
  return {
    exchange: async () => {
      const start = performance.now();
      left = answerBytes;
      const answered = new Promise<void>((resolve) => {
        done = resolve;
      });
      socket.write(request);
      await answered;
      return performance.now() - start;
    },
    close: () => {
      socket.destroy();
      child.disconnect();
    },
  };
}
