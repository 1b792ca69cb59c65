/**
 * Imported before all else in the artefact: every worker inherits this process's flags. Node's permission model lives in
 * those flags, and a worker that is given `execArgv` of its own, were it empty, would run without it
 * (nodejs.org/api/permissions.html, "Limitations and known issues"; launch/confinement.test.ts).
 */
import {syncBuiltinESMExports} from "node:module";
import workerThreads, {type WorkerOptions} from "node:worker_threads";

workerThreads.Worker = class ConfinedWorker extends workerThreads.Worker {
  constructor(entry: string | URL, {execArgv: _own, ...options}: WorkerOptions = {}) {
    super(entry, options);
  }
};
syncBuiltinESMExports();
