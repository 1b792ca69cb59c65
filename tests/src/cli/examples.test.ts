/** Every example that a `--help` shows is run, against a server of the test. */
import assert from "node:assert/strict";
import {copyFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {runCli, type Server, startServer, startShell, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
let server: Server;
/** The simulated vendor's service, in place of Intel's and AMD's, which tests don't ask. */
let service: Server;
before(async () => {
  ({folder, remove} = await workFolder());
  server = await startServer(folder);
  service = await startServer(folder, "--collateral-port", "0");
  await copyFile(join(folder, "state/policy.json"), join(folder, "policy.json"));
});
after(async () => {
  await server.stop();
  await service.stop();
  await remove();
});

const commandNames = [
  "run",
  "serve",
  "attest",
  "verify",
  "convert",
  "inspect",
  "bench",
  "enclave measure",
  "quote inspect",
  "policy init",
  "policy check",
  "policy explain",
];

for (const name of commandNames) {
  test(`the examples of ${name} --help work as they stand`, async () => {
    const help = await runCli([...name.split(" "), "--help"], folder);
    assert.equal(help.code, 0);
    const examples = help.stdout.split("\n").filter((line) => line.startsWith(`  tf-trusted ${name}`));
    assert.ok(examples.length > 0);
    for (const example of examples) {
      // The port may be somebody else's on this machine; nothing else is changed.
      const port = name === "serve" ? "0" : server.address.split(":").at(-1)!;
      let line = example.trim().replace(/\b50051\b/g, port);
      if (name === "serve" && !line.includes("--port")) line = line.replace("serve", "serve --port 0");
      const vendor = /--collateral (\S+)/.exec(service.banner)![1]!;
      line = line.replace("--collateral vendor", `--collateral ${vendor} --collateral-cache cache`);
      // Not over the policy that the other examples use.
      if (name === "serve" || name === "policy init") line = line.replace(/policy\.json/g, "written.json");
      const {process: child, finished, saw} = startShell(line, folder);
      if (name === "serve") {
        await saw(/listening on/);
        child.kill("SIGINT");
      }
      const {code, stderr} = await finished;
      assert.equal(code, 0, `${line}\n${stderr}`);
    }
  });
}
