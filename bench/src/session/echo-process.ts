/**
 * Entry of a bare TLS 1.3 server, on the Node.js of the enclave: after eight bytes that say how many bytes a request and an
 * answer have, it answers each whole request. No framing, no parsing: the least that such an exchange can cost.
 */
import {createServer} from "node:tls";
import {makeTlsIdentity} from "@tf-trusted/enclave";

const {key, certificate} = makeTlsIdentity();
const server = createServer({key, cert: certificate, minVersion: "TLSv1.3"}, (socket) => {
  socket.setNoDelay(true);
  let sizes: {readonly request: number; readonly answer: Buffer} | undefined;
  let received = 0;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    if (sizes === undefined) {
      sizes = {request: chunk.readUInt32BE(0), answer: Buffer.alloc(chunk.readUInt32BE(4))};
      socket.write(chunk.subarray(0, 8));
      return;
    }
    received += chunk.length;
    if (received < sizes.request) return;
    received -= sizes.request;
    socket.write(sizes.answer);
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send!({port: typeof address === "object" && address !== null ? address.port : 0});
});
process.on("disconnect", () => process.exit(0));
