// The first program of a TDX or SEV-SNP guest after /init: starts the enclave and keeps it running. Bundled into the image.
import {launchEnclave} from "@tf-trusted/enclave";

const [platform, port = "50051"] = process.argv.slice(2);
const enclave = await launchEnclave({
  platform,
  artefact: "/enclave",
  node: "/bin/node",
  host: "0.0.0.0",
  port: Number(port),
  restart: true,
  onEvent: (event) => console.log(JSON.stringify(event)),
  onExit: ({code, signal}) => console.log(JSON.stringify({event: "enclave-ended", code, signal})),
});
console.log(JSON.stringify({event: "listening", address: enclave.address, measurement: enclave.measurement}));
