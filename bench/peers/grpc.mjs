// Peer: grpc-js calling a plain Python server around TensorFlow Lite (grpc_server.py).
import {spawn} from "node:child_process";
import {once} from "node:events";
import {fileURLToPath} from "node:url";
import {Client, credentials} from "@grpc/grpc-js";
import {arrayOf, serve} from "./peer.mjs";

await serve(async ({model, inputs, threads, python}) => {
  const specs = inputs.map(({shape, dtype}) => ({shape, dtype}));
  const script = fileURLToPath(new URL("grpc_server.py", import.meta.url));
  const server = spawn(python, [script, model, String(threads), JSON.stringify(specs)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = await once(server.stdout, "data");
  const [port, version] = String(line).trim().split(" ");
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 64 << 20,
  });
  const bytes = Buffer.concat(inputs.map((input) => Buffer.from(arrayOf(input).buffer)));
  const same = (buffer) => buffer;
  const run = () =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest("/peers.Model/Predict", same, same, bytes, (error, value) =>
        error ? reject(error) : resolve(value),
      );
    });
  return {
    name: `grpc-js to Python grpcio ${version}`,
    run,
    // All outputs in one, as they come.
    outputs: async () => {
      const joined = Uint8Array.from(await run());
      return [{shape: [joined.length / 4], values: new Float32Array(joined.buffer)}];
    },
  };
});
