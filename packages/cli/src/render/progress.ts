/** One line on a terminal that says what is being done, with a spinner and the time; nothing elsewhere. */
import type {Style} from "./style.ts";
import {cutText} from "./table.ts";

export interface Progress {
  /** Shows what begins now, in place of what was shown before. */
  readonly step: (text: string) => void;
  /** Adds to the step: `40 %`, `12 of 100`. */
  readonly detail: (text: string) => void;
  /** Takes the line away, before anything else is written. */
  readonly clear: () => void;
}

export interface ProgressStream {
  readonly write: (text: string) => void;
  readonly columns: () => number;
}

/** Progress that shows nothing. */
export const silentProgress: Progress = {step: () => {}, detail: () => {}, clear: () => {}};

/** Draws to `stream`; `now` gives milliseconds. The timer doesn't keep the process alive. */
export function createProgress(stream: ProgressStream, style: Style, now: () => number): Progress {
  let text = "";
  let extra = "";
  let started = 0;
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  let drawn = false;

  function draw(): void {
    const seconds = Math.floor((now() - started) / 1000);
    const tail = [extra, seconds > 0 ? `${seconds} s` : ""].filter(Boolean).join(", ");
    const line = cutText(`${text}${tail ? ` (${tail})` : ""}`, stream.columns() - 3);
    stream.write(`\r\x1b[2K${style.cyan(frames[frame++ % frames.length]!)} ${line}`);
    drawn = true;
  }
  function clear(): void {
    if (timer !== undefined) clearInterval(timer);
    timer = undefined;
    if (drawn) stream.write("\r\x1b[2K");
    drawn = false;
  }
  return {
    step(next) {
      text = next;
      extra = "";
      started = now();
      timer ??= setInterval(draw, frameMs).unref();
      draw();
    },
    detail(next) {
      extra = next;
    },
    clear,
  };
}

const frameMs = 100;
const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
