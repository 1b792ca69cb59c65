/**
 * Gramine's manifest, as far as security and measurement depend on it (platforms.md §2). A verifier sees its settings only
 * through MRENCLAVE: whoever makes or accepts a measurement has to look at the manifest once, with this table.
 */
import {EnclaveError} from "../enclave-error.ts";
import {inlineBoundsFlag} from "../platforms/surroundings.ts";
import {parseToml, type TomlTable, type TomlValue} from "./toml.ts";

export interface TrustedFile {
  readonly uri: string;
  /** Hexadecimal; `undefined` before `gramine-sgx-sign` filled it in. */
  readonly sha256: string | undefined;
}

export interface GramineManifest {
  readonly enclaveBytes: bigint;
  readonly maxThreads: number;
  readonly edmm: boolean;
  readonly trustedFiles: readonly TrustedFile[];
  /** Everything. */
  readonly document: TomlTable;
}

/** Throws `GRAMINE_MANIFEST`. */
export function parseGramineManifest(text: string): GramineManifest {
  const document = parseToml(text);
  const maxThreads = at(document, "sgx.max_threads");
  if (typeof maxThreads !== "number" || maxThreads < 1 || maxThreads > 4096)
    throw wrong("sgx.max_threads", "1 to 4096");
  const edmm = at(document, "sgx.edmm_enable") ?? false;
  if (typeof edmm !== "boolean") throw wrong("sgx.edmm_enable", "true or false");
  return {
    enclaveBytes: parseSize(at(document, "sgx.enclave_size")),
    maxThreads,
    edmm,
    trustedFiles: trustedFiles(at(document, "sgx.trusted_files") ?? []),
    document,
  };
}

type Rule = readonly [key: string, unsafe: (value: TomlValue) => boolean, why: string];

const present = () => true;
const isOn = (value: TomlValue) => value !== false && value !== 0 && value !== "none" && value !== "";

/** Keys by path; `*` ends a prefix. What is listed must be absent, or have a value that isn't unsafe. */
const rules: readonly Rule[] = [
  ["loader.insecure__use_cmdline_argv", isOn, "the host would choose the arguments"],
  ["loader.insecure__use_host_env", isOn, "the host would choose the environment"],
  ["loader.insecure__disable_aslr", isOn, "addresses would be known"],
  ["loader.argv_src_file", present, "the host could choose the arguments"],
  ["loader.env_src_file", present, "the host could choose the environment"],
  [
    "loader.log_level",
    (value) => value !== "error" && value !== "none",
    "logs would tell the host what happens inside",
  ],
  ["loader.log_file", present, "logs would go to a file of the host"],
  ["sys.insecure__allow_eventfd", isOn, "the host could forge events"],
  ["fs.insecure__keys.*", present, "the key is in a file that everybody can read"],
  ["fs.insecure__protected_files_key", present, "the key is in a file that everybody can read"],
  ["sgx.debug", isOn, "the host could read the enclave"],
  ["sgx.allowed_files", (value) => !Array.isArray(value) || value.length > 0, "the host could change these files"],
  ["sgx.file_check_policy", (value) => value !== "strict", "files that aren't listed would be read"],
  ["sgx.insecure__*", isOn, "what Gramine calls insecure"],
  ["sgx.enable_stats", isOn, "it counts what the enclave does"],
  ["sgx.profile.*", isOn, "it records what the enclave does"],
  ["sgx.vtune_profile", isOn, "it records what the enclave does"],
  ["sys.debug__*", isOn, "for debugging"],
  ["sys.experimental__*", isOn, "Gramine doesn't promise that it is secure"],
  ["loader.insecure__*", isOn, "what Gramine calls insecure"],
  ["sys.insecure__*", isOn, "what Gramine calls insecure"],
  ["fs.insecure__*", present, "what Gramine calls insecure"],
  ["libos.insecure__*", isOn, "what Gramine calls insecure"],
];

/** What must be there, and as what. */
const needed: readonly (readonly [key: string, fits: (value: TomlValue | undefined) => boolean, expected: string])[] = [
  ["sgx.remote_attestation", (value) => value === "dcap", '"dcap"'],
  ["sys.disallow_subprocesses", (value) => value === true, "true"],
  ["fs.root.type", (value) => value === "tmpfs", '"tmpfs": by default it is a folder of the host'],
];

/** All that is wrong, a sentence each; empty for a manifest that protects. */
export function checkGramineManifest({document}: GramineManifest): readonly string[] {
  const leaves = [...walk(document, "")];
  const findings: string[] = [];
  const told = new Set<string>();
  for (const [pattern, unsafe, why] of rules) {
    for (const [path, value] of leaves) {
      if (!matches(path, pattern) || !unsafe(value) || told.has(path)) continue;
      told.add(path);
      findings.push(`${path} is ${show(value)}: ${why}`);
    }
  }
  for (const [path, fits, expected] of needed) {
    const value = at(document, path);
    if (!fits(value)) findings.push(`${path} is ${show(value)}, expected ${expected}`);
  }
  findings.push(
    ...checkArguments(at(document, "loader.argv")),
    ...checkEnvironment(document),
    ...checkMounts(document),
  );
  return findings;
}

function checkArguments(argv: TomlValue | undefined): readonly string[] {
  if (!Array.isArray(argv) || argv.some((item) => typeof item !== "string")) {
    return [`loader.argv is ${show(argv)}, expected the fixed arguments of Node.js`];
  }
  const entry = argv.findIndex((item, i) => i > 0 && !(item as string).startsWith("-"));
  const flags = argv.slice(1, entry < 0 ? undefined : entry) as readonly string[];
  return flags.includes(inlineBoundsFlag)
    ? []
    : [`loader.argv has no ${inlineBoundsFlag} before the program: guard pages don't fault in an SGX enclave`];
}

function checkEnvironment(document: TomlTable): readonly string[] {
  const environment = at(document, "loader.env") ?? {};
  if (!isTable(environment)) return [`loader.env is ${show(environment)}, expected a table`];
  return Object.entries(environment).flatMap(([name, value]) => {
    if (isTable(value) && value.passthrough === true) return [`loader.env.${name} passes through what the host says`];
    return name === "LD_LIBRARY_PATH" ? [] : [`loader.env.${name} is set, expected nothing but LD_LIBRARY_PATH`];
  });
}

function checkMounts(document: TomlTable): readonly string[] {
  const mounts = at(document, "fs.mounts") ?? [];
  const list = Array.isArray(mounts) ? mounts : isTable(mounts) ? Object.values(mounts) : [];
  return list.flatMap((mount, i) =>
    isTable(mount) && mount.type === "untrusted_shm" ? [`fs.mounts[${i}] is shared with the host`] : [],
  );
}

/** Every key with its value: leaves, and tables and arrays that hold them. */
function* walk(table: TomlTable, prefix: string): Generator<readonly [path: string, value: TomlValue]> {
  for (const [name, value] of Object.entries(table)) {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    if (isTable(value)) yield* walk(value, path);
    else yield [path, value];
  }
}

function matches(path: string, pattern: string): boolean {
  return pattern.endsWith("*")
    ? path.startsWith(pattern.slice(0, -1))
    : path === pattern || path.startsWith(`${pattern}.`);
}

function at(document: TomlTable, path: string): TomlValue | undefined {
  let current: TomlValue | undefined = document;
  for (const name of path.split(".")) current = current !== undefined && isTable(current) ? current[name] : undefined;
  return current;
}

function trustedFiles(value: TomlValue): readonly TrustedFile[] {
  if (!Array.isArray(value)) throw wrong("sgx.trusted_files", "a list");
  return value.map((item) => {
    if (typeof item === "string") return {uri: item, sha256: undefined};
    if (isTable(item) && typeof item.uri === "string" && ["string", "undefined"].includes(typeof item.sha256)) {
      return {uri: item.uri, sha256: item.sha256 as string | undefined};
    }
    throw wrong("sgx.trusted_files", "URIs, or tables of uri and sha256");
  });
}

function parseSize(value: TomlValue | undefined): bigint {
  const match = typeof value === "string" ? /^(\d{1,15})([KMG]?)$/.exec(value) : null;
  if (match === null) throw wrong("sgx.enclave_size", 'text like "4G"');
  return BigInt(match[1]!) << {"": 0n, K: 10n, M: 20n, G: 30n}[match[2] as "" | "K" | "M" | "G"];
}

function isTable(value: TomlValue): value is TomlTable {
  return typeof value === "object" && !Array.isArray(value);
}

function show(value: TomlValue | undefined): string {
  return value === undefined ? "not there" : JSON.stringify(value).slice(0, 100);
}

function wrong(key: string, expected: string): EnclaveError {
  return new EnclaveError("GRAMINE_MANIFEST", `${key} isn't what it takes, expected ${expected}`);
}
