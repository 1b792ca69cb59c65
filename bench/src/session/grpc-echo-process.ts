/** Entry of a gRPC server that answers Predict with a tensor of as many bytes as it is told, and does nothing else. */
import {createSecureServer} from "node:http2";
import {create} from "@bufbuild/protobuf";
import {connectNodeAdapter} from "@connectrpc/connect-node";
import {makeTlsIdentity} from "@tf-trusted/enclave";
import {DataType, NamedTensorSchema, PredictionService, PredictResponseSchema} from "@tf-trusted/protocol";

const data = new Uint8Array(Number(process.argv[2]));
const output = create(NamedTensorSchema, {
  name: "y",
  dataType: DataType.UINT8,
  shape: [BigInt(data.length)],
  data,
});
const {key, certificate} = makeTlsIdentity();
const handler = connectNodeAdapter({
  routes: (router) =>
    router.service(PredictionService, {predict: () => create(PredictResponseSchema, {outputs: [output]})}),
  acceptCompression: [],
});
const server = createSecureServer({key, cert: certificate, minVersion: "TLSv1.3"}, handler);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send!({port: typeof address === "object" && address !== null ? address.port : 0});
});
process.on("disconnect", () => process.exit(0));
