/** The manifest's dangers, each found wherever and however it is written. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {checkGramineManifest, parseGramineManifest} from "./gramine-manifest.ts";
import {parseToml} from "./toml.ts";

const good = readFileSync(new URL("../../../../fixtures/measure/fixed.manifest.sgx", import.meta.url), "utf8");
const check = (text: string) => checkGramineManifest(parseGramineManifest(text));

test("a manifest that protects has no findings", () => {
  assert.deepEqual(check(good), []);
});

const dangers: readonly (readonly [string, RegExp])[] = [
  ["loader.insecure__use_cmdline_argv = true", /^loader\.insecure__use_cmdline_argv is true/],
  ["loader.insecure__use_host_env = true", /insecure__use_host_env/],
  ["loader.insecure__disable_aslr = true", /disable_aslr/],
  ['loader.argv_src_file = "file:args"', /argv_src_file/],
  ['loader.env_src_file = "file:env"', /env_src_file/],
  ['loader.log_file = "log"', /log_file/],
  ["sys.insecure__allow_eventfd = true", /eventfd/],
  ['fs.insecure__keys.default = "ffeeddccbbaa99887766554433221100"', /fs\.insecure__keys\.default/],
  ["sgx.insecure__rpc_thread_num = 4", /rpc_thread_num/],
  ["sgx.insecure__allow_memfaults_without_exinfo = true", /memfaults/],
  ['sgx.file_check_policy = "allow_all_but_log"', /file_check_policy/],
  ['sgx.allowed_files = [ "file:data" ]', /allowed_files/],
  ["sgx.enable_stats = true", /enable_stats/],
  ['sgx.profile.enable = "all"', /profile\.enable/],
  ['sgx.profile.mode = "aex"', /profile\.mode/],
  ["sys.debug__log_x = true", /debug__/],
  ["sys.experimental__enable_flock = true", /experimental__/],
  ['loader.env.NODE_OPTIONS = "--inspect"', /loader\.env\.NODE_OPTIONS/],
  ["loader.env.HOME = { passthrough = true }", /loader\.env\.HOME passes through/],
  ['fs.mounts = [ { type = "untrusted_shm", path = "/dev/shm/a", uri = "dev:/dev/shm/a" } ]', /shared with the host/],
  ['[[fs.mounts]]\ntype = "untrusted_shm"', /shared with the host/],
];
for (const [line, message] of dangers) {
  test(`refused: ${line.replace("\n", " ")}`, () => {
    const [key, ...rest] = line.split(" = ");
    const spellings = line.startsWith("[")
      ? [`${good}\n${line}\n`]
      : [
          `${line}\n${good}`,
          // The same with quoted parts, and without spaces.
          `${key!
            .split(".")
            .map((part) => JSON.stringify(part))
            .join(" . ")}=${rest.join(" = ")} # fine\n${good}`,
        ];
    for (const text of spellings) {
      const findings = check(text);
      assert.equal(findings.length, 1, findings.join("; "));
      assert.match(findings[0]!, message);
    }
  });
}

test("refused: debugging, other logs, no attestation, children, a root of the host, no inline bounds checks", () => {
  for (const [from, to, message] of [
    ["debug = false", "debug = true", /sgx\.debug is true/],
    ['log_level = "error"', 'log_level = "trace"', /log_level/],
    ['remote_attestation = "dcap"', 'remote_attestation = "none"', /remote_attestation/],
    ["disallow_subprocesses = true", "disallow_subprocesses = false", /disallow_subprocesses/],
    ['type = "tmpfs"', 'type = "chroot"\nuri = "file:."', /fs\.root\.type/],
    ['    "--disable-wasm-trap-handler",\n', "", /argv has no --disable-wasm-trap-handler/],
    [
      '    "--disable-wasm-trap-handler",\n    "/app/enclave.mjs",',
      '    "/app/enclave.mjs",\n    "--disable-wasm-trap-handler",',
      /argv has no --disable-wasm-trap-handler before the program/,
    ],
  ] as const) {
    assert.ok(good.includes(from), from);
    const findings = check(good.replace(from, to));
    assert.ok(
      findings.some((finding) => message.test(finding)),
      `${to}: ${findings.join("; ")}`,
    );
  }
});

test("TOML: what is read is what TOML says; what could be read in two ways is refused", () => {
  assert.deepEqual(
    JSON.parse(
      JSON.stringify(
        parseToml('a.b = 1\n[c]\n"d e" = "x\\u0041\\n\t"\nf = [1, 2,\n # no\n 3,]\n[[g]]\nh={i=true}\n[[g]]\n'),
      ),
    ),
    {a: {b: 1}, c: {"d e": "xA\n\t", f: [1, 2, 3]}, g: [{h: {i: true}}, {}]},
  );
  for (const text of [
    "a = 1\na = 2",
    "[a]\n[a]",
    "a = 1\n[a]",
    "a = {b = 1}\n[a]\nc = 2",
    "a = {b = 1}\na.c = 2",
    "a = [1]\n[[a]]",
    'a = """x"""',
    "a = 1.5",
    "a = 2026-01-01",
    "a = 1 b = 2",
    "a",
    "a =",
    "= 1",
    '"a = 1',
    "a = [1 2]",
    "a = {b = 1,\n c = 2",
    'a = "\\x"',
    "[a",
    "[[a]",
    `a = ${"[".repeat(100)}${"]".repeat(100)}`,
    // Open strings, which a careless pattern tries in exponentially many ways.
    `a = "${"x".repeat(100_000)}`,
    `a = '${"x".repeat(100_000)}`,
  ]) {
    assert.throws(() => parseToml(text), {code: "GRAMINE_MANIFEST"}, text);
  }
});
