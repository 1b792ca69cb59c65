#!/usr/bin/env node
// `npm run demo`: builds, starts a simulated enclave, verifies it, and has it read a handwritten digit through the SDK.
// `npm run demo -- 7` takes another digit. Coloured on a terminal, plain elsewhere (NO_COLOR, FORCE_COLOR).
import {spawn} from "node:child_process";
import {readFile} from "node:fs/promises";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const digit = process.argv[2] ?? "3";
if (!/^[0-9]$/.test(digit)) {
  console.error(`npm run demo -- DIGIT takes a digit from 0 to 9; found "${digit}"`);
  process.exit(2);
}

await step("Building the packages", () => runNode("node_modules/typescript/bin/tsc", "-b"));
await step("Building the enclave", () => runNode("packages/enclave/scripts/build-artefact.mjs"));
await step("Bundling the command", () => runNode("packages/cli/scripts/bundle.mjs"));

// After the build, because it makes them.
const {connect, launchSimulated} = await import("@tf-trusted/client");
const {convert} = await import("@tf-trusted/convert");
const {readNpy} = await import("@tf-trusted/tensor");
const {createStyle, formatMs, formatShare, renderBars, renderPicture, wantsColor} = await import("@tf-trusted/cli");

const style = createStyle(wantsColor(process.env, process.stdout.isTTY === true));
const fixtures = join(root, "fixtures/digits");
const labels = (await readFile(join(fixtures, "labels.txt"), "utf8")).trim().split("\n");
const image = readNpy(await readFile(join(fixtures, `digits/${digit}.npy`)));

const started = performance.now();
const server = await step("Starting a simulated enclave", () => launchSimulated());
// Ctrl-C shall not leave it running.
process.once("SIGINT", () => void server.stop().finally(() => process.exit(130)));
try {
  heading("1  The enclave proves what it is");
  const enclave = await step("Verifying", () => connect({address: server.address, policy: server.policy}));
  showReport(enclave.report);
  const verifiedMs = performance.now() - started;

  heading("2  The model goes in, over the session that was verified");
  const converting = performance.now();
  const {model} = convert(await readFile(join(fixtures, "digits.pb")));
  const loading = performance.now();
  const digits = await enclave.load(model, {name: "digits"});
  print(`   digits.pb ${style.dim("→")} TensorFlow Lite, ${(model.length / 1024).toFixed(0)} KiB, converted here`);
  print(`   loaded     ${style.dim(`SHA-256 ${digits.sha256.slice(0, 16)}…`)}`);
  const loadedMs = performance.now() - loading;

  heading("3  A handwritten digit, classified inside");
  const {outputs, timings} = await digits.predictDetailed({image});
  const [, height, width] = image.shape;
  const shares = Array.from(outputs.probabilities.data);
  const picture = renderPicture({width, height, levels: image.data}, style).split("\n");
  const bars = renderBars(
    labels.map((label, i) => ({label, share: shares[i]})),
    style,
  ).split("\n");
  // The picture beside the bars, which are two lines more.
  const margin = Math.floor((bars.length - picture.length) / 2);
  print("");
  bars.forEach((bar, i) => {
    const line = picture[i - margin] ?? "";
    print(`   ${pad(line, width * 2)}   ${bar}`);
  });
  const best = shares.indexOf(Math.max(...shares));
  print("");
  print(`   It is a ${style.bold(style.green(labels[best]))}: ${formatShare(shares[best])}`);

  heading("Timings");
  const warm = await digits.predictDetailed({image});
  for (const [what, ms] of [
    ["start and verify the enclave", verifiedMs],
    ["convert the model", loading - converting],
    ["load it into the enclave", loadedMs],
    ["first prediction, whole call", timings.callMs],
    ["second prediction, whole call", warm.timings.callMs],
    ["  inside the enclave", warm.timings.enclaveMs],
    ["  in TensorFlow Lite", warm.timings.engineMs],
  ]) {
    print(`   ${what.padEnd(30)} ${formatMs(ms).padStart(9)}`);
  }
  print("");
  print(
    style.yellow("   This was a simulation: the same code paths, but nothing protects it from this machine's owner."),
  );
  print(style.dim("   Next: npx tf-trusted --help, or npx tf-trusted serve"));
  await enclave.close();
} finally {
  await server.stop();
}

function showReport({verdict, simulated, identity, root: trusted, tcbStatus, bound, steps}) {
  const passed = steps.filter(({status}) => status === "ok").length;
  const skipped = steps.filter(({status}) => status === "skipped").length;
  const verdictLine = `${verdict.toUpperCase()}${simulated ? " (simulation)" : ""}`;
  const rows = [
    [
      "verdict",
      `${style.green("✓")} ${style.bold(verdictLine)}, ${passed} checks passed, ${skipped} not asked for by the policy`,
    ],
    ["code", `${identity.mrEnclave} ${style.dim("(MRENCLAVE, pinned)")}`],
    ["root", `${trusted.spkiSha256} ${style.dim(`(${trusted.kind}, pinned)`)}`],
    ["platform", `SGX quote v3, TCB ${tcbStatus}`],
    ["session", bound ? "bound: TLS key, TLS exporter and nonce are in the evidence" : style.red("not bound")],
  ];
  for (const [name, value] of rows) print(`   ${style.dim(name.padEnd(9))} ${value}`);
}

function heading(text) {
  print(`\n${style.bold(style.cyan(text))}`);
}

function print(line) {
  process.stdout.write(`${line.trimEnd()}\n`);
}

/** To `width` columns, not counting colours. */
function pad(text, width) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character.
  const visible = text.replace(/\x1b\[[0-9;]*m/g, "").length;
  return text + " ".repeat(Math.max(0, width - visible));
}

/** Says what is being done, with the time on a terminal; the line goes away when it is done. */
async function step(text, work) {
  const terminal = process.stderr.isTTY === true;
  const begin = performance.now();
  const draw = () => process.stderr.write(`\r\x1b[2K… ${text} (${Math.floor((performance.now() - begin) / 1000)} s)`);
  if (terminal) draw();
  const timer = terminal ? setInterval(draw, 500) : undefined;
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (terminal) process.stderr.write("\r\x1b[2K");
  }
}

/** Runs a script of the repository; its output is shown only if it fails. */
function runNode(script, ...words) {
  return new Promise((resolve) => {
    let output = "";
    const child = spawn(process.execPath, [join(root, script), ...words], {cwd: root});
    child.stdout.on("data", (text) => (output += text));
    child.stderr.on("data", (text) => (output += text));
    child.once("close", (code) => {
      if (code === 0) return resolve();
      process.stderr.write(`\n${output}\n${script} failed\n`);
      process.exit(1);
    });
  });
}
