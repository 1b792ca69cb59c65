/** Entry of the artefact: wiring only. */
import "./confine-workers.ts";
import {systemFiles} from "./platforms/device-files.ts";
import {runEnclave} from "./start/run-enclave.ts";

await runEnclave(new URL(".", import.meta.url), systemFiles);
