// What the peers in Node.js share: the requests on standard input, one JSON document a line (bench/src/peers/peer.ts).
import {createInterface} from "node:readline";

const arrays = {float32: Float32Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array};

export function arrayOf({dtype, base64}) {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new arrays[dtype](bytes.buffer);
}

/** `start(request)` gives what is measured, what reads the outputs (shape and Float32Array each), and the peer's name. */
export async function serve(start) {
  const lines = createInterface({input: process.stdin});
  let peer;
  for await (const line of lines) {
    const request = JSON.parse(line);
    if (peer === undefined) {
      peer = await start(request);
      answer({name: peer.name});
    } else if (request.runs !== undefined) {
      const milliseconds = [];
      for (let i = 0; i < request.runs; i++) {
        const begin = performance.now();
        await peer.run();
        milliseconds.push(performance.now() - begin);
      }
      answer({milliseconds});
    } else {
      answer({outputs: (await peer.outputs()).map(encoded)});
    }
  }
  process.exit(0);
}

function encoded({shape, values}) {
  const bytes = Float32Array.from(values, Number);
  return {shape: [...shape], base64: Buffer.from(bytes.buffer).toString("base64")};
}

function answer(document) {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}
