/** One after the other: devices whose state belongs to the process, or to the machine, can't be asked twice at a time. */

/** Returns a function that runs what it is given when all before it have ended, however they ended. */
export function inTurn(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const result = last.then(run, run);
    last = result;
    return result;
  };
}
