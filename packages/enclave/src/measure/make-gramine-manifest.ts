/**
 * The manifest for Gramine, made from the enclave's own list of files (platforms.md §2): nothing of the host can be seen or
 * chosen inside but what is listed here with its digest. Rendered text, no template: `gramine-sgx-sign` takes it as it is.
 */
import type {EnclaveConfiguration} from "../configuration.ts";
import type {ArtefactFile} from "../launch/artefact.ts";
import {nodeArgumentsOn} from "../launch/node-arguments.ts";

export interface GramineFolder {
  /** Of the artefact with the WASM engine: where children are forbidden there is no other. */
  readonly arguments: readonly string[];
  /** All files inside, by path relative to the folder of the manifest: `app/enclave.mjs`, `lib/libc.so.6`. */
  readonly files: readonly ArtefactFile[];
  /** Gramine's own library OS, among the files. */
  readonly libos: string;
}

export interface GramineSettings {
  readonly host: string;
  readonly port: number;
  readonly configuration: Partial<EnclaveConfiguration>;
  /** A power of two: `8G`. */
  readonly enclaveSize: string;
  /** Threads of the enclave: 16 and one a worker. */
  readonly maxThreads: number;
  /** Memory that is added when it is needed (newer CPUs, Linux ≥ 6.0), instead of all at the start. */
  readonly edmm: boolean;
  readonly isvProdId: number;
  readonly isvSvn: number;
}

export const defaultGramineSettings: GramineSettings = {
  host: "0.0.0.0",
  port: 50051,
  configuration: {},
  enclaveSize: "8G",
  maxThreads: 32,
  edmm: false,
  isvProdId: 0,
  isvSvn: 1,
};

/** Where the folders of the build lie inside. Their names are the prefixes of `files`. */
export const gramineMounts = {app: "/app", lib: "/lib"} as const;

export function makeGramineManifest(
  {arguments: given, files, libos}: GramineFolder,
  settings: GramineSettings,
): string {
  const {host, port, configuration, enclaveSize, maxThreads, edmm, isvProdId, isvSvn} = settings;
  const argv = [
    "node",
    ...nodeArgumentsOn("gramine", given, gramineMounts.app),
    ...["--platform", "gramine", "--host", host, "--port", String(port)],
    ...["--configuration", JSON.stringify(configuration)],
  ];
  const sections: readonly string[] = [
    section("libos", [["entrypoint", `${gramineMounts.app}/node`]]),
    section("loader", [
      ["log_level", "error"],
      ["argv", argv],
    ]),
    section("loader.entrypoint", [["uri", `file:${libos}`]]),
    section("loader.env", [["LD_LIBRARY_PATH", gramineMounts.lib]]),
    section("fs.root", [["type", "tmpfs"]]),
    ...Object.entries(gramineMounts).map(([folder, path]) =>
      section("[fs.mounts]", [
        ["path", path],
        ["uri", `file:${folder}`],
      ]),
    ),
    section("sys", [
      ["disallow_subprocesses", true],
      ["enable_sigterm_injection", true],
      ["stack.size", "4M"],
    ]),
    section("sgx", [
      ["debug", false],
      ["remote_attestation", "dcap"],
      ["enclave_size", enclaveSize],
      ["max_threads", maxThreads],
      ["edmm_enable", edmm],
      ["use_exinfo", edmm],
      ["isvprodid", isvProdId],
      ["isvsvn", isvSvn],
    ]),
    ...[...files]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({name, sha256}) =>
        section("[sgx.trusted_files]", [
          ["uri", `file:${name}`],
          ["sha256", sha256],
        ]),
      ),
  ];
  return `${sections.join("\n\n")}\n`;
}

type Value = string | number | boolean | readonly string[];

function section(name: string, entries: readonly (readonly [key: string, value: Value])[]): string {
  return [`[${name}]`, ...entries.map(([key, value]) => `${key} = ${write(value)}`)].join("\n");
}

/** Strings of JSON are strings of TOML. */
function write(value: Value): string {
  if (typeof value !== "object") return JSON.stringify(value);
  return `[\n${value.map((item) => `    ${JSON.stringify(item)},\n`).join("")}]`;
}
