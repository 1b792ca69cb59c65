/** The enclave's standard error, as its launcher reads it: events, and what Node says when it can't start. */
import type {ChildProcess} from "node:child_process";
import type {EnclaveEvent} from "../events.ts";

/** Passes events on, and keeps the last lines that aren't events: what Node says when it can't start. */
export function followEvents(child: ChildProcess, onEvent: ((event: EnclaveEvent) => void) | undefined): () => string {
  const words: string[] = [];
  let pending = "";
  child.stderr!.setEncoding("utf8");
  child.stderr!.on("data", (text: string) => {
    const lines = (pending + text).split("\n");
    pending = lines.pop()!.slice(-10_000);
    for (const line of lines) {
      try {
        onEvent?.(JSON.parse(line) as EnclaveEvent);
      } catch {
        if (words.length < 20) words.push(line.slice(0, 500));
      }
    }
  });
  return () => (words.length > 0 ? `, saying ${JSON.stringify(words.join("\n"))}` : "");
}
