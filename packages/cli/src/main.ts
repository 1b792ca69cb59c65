/** The process around `runCli`: streams, signals, exit code. */
import {readFileSync} from "node:fs";
import {exitCodes} from "./exit-codes.ts";
import {type OutputStream, runCli} from "./run-cli.ts";

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // The second time somebody doesn't want to wait. The enclave goes with its launcher.
    if (stopping.signal.aborted) process.exit(exitCodes.interrupted);
    stopping.abort();
  });
}

const {version} = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {version: string};

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: outputStream(process.stdout),
  stderr: outputStream(process.stderr),
  env: process.env,
  version,
  signal: stopping.signal,
});

function outputStream(stream: NodeJS.WriteStream): OutputStream {
  let readerLeft = false;
  // Without a listener a failed write ends the process with a stack trace; `write` reports it.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    readerLeft ||= error.code === "EPIPE";
  });
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 80;
    },
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error?: Error | null) => {
          // `| head` has seen enough: no failure.
          if (!error || readerLeft || (error as NodeJS.ErrnoException).code === "EPIPE") resolve();
          else reject(error);
        });
      }),
  };
}
