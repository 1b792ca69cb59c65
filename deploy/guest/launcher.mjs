// The first program of a TDX or SEV-SNP guest after /init: starts the enclave and keeps it running. Bundled into the image.
// What it says goes to the console, a JSON document a line; when it ends, /init turns the machine off.
import {EnclaveError, launchEnclave} from "@tf-trusted/enclave";

const tell = (event) => console.log(JSON.stringify(event));
const [platform, port = "50051"] = process.argv.slice(2);
try {
  const {address, measurement} = await launchEnclave({
    platform,
    artefact: "/enclave",
    node: "/bin/node",
    host: "0.0.0.0",
    port: Number(port),
    restart: true,
    onEvent: tell,
    onExit: ({code, signal}) => tell({event: "enclave-ended", code, signal}),
  });
  tell({event: "listening", address, measurement});
} catch (error) {
  if (!(error instanceof EnclaveError)) throw error;
  tell({event: "launch-refused", code: error.code, message: error.message});
  process.exitCode = 1;
}
