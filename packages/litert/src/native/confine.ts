/**
 * What a model's process gives up for good before it sees a byte of the model's file: opening files and sockets, starting
 * programs, touching other processes, more memory than it was given. Linux only; elsewhere Node's permission model is all.
 *
 * The kernel checks each system call against a list (seccomp, `man 2 seccomp`): what isn't on it fails with EPERM. What is
 * on it: reading and writing open descriptors, memory, threads, clocks, signals to oneself.
 */
import {readFileSync} from "node:fs";
import {LitertError} from "../litert-error.ts";
import type {Native} from "./binding.ts";

/** Numbers by architecture, `null` where there is no such call (arch/x86/entry/syscalls/syscall_64.tbl, unistd.h). */
type Row = readonly [x64: number | null, arm64: number | null];

const allowed: Readonly<Record<string, Row>> = {
  read: [0, 63],
  write: [1, 64],
  readv: [19, 65],
  writev: [20, 66],
  pread64: [17, 67],
  pwrite64: [18, 68],
  close: [3, 57],
  fstat: [5, 80],
  lseek: [8, 62],
  fcntl: [72, 25],
  dup: [32, 23],
  dup2: [33, null],
  dup3: [292, 24],
  poll: [7, null],
  ppoll: [271, 73],
  epoll_wait: [232, null],
  epoll_pwait: [281, 22],
  epoll_ctl: [233, 21],
  eventfd2: [290, 19],
  mmap: [9, 222],
  mprotect: [10, 226],
  munmap: [11, 215],
  mremap: [25, 216],
  brk: [12, 214],
  madvise: [28, 233],
  mincore: [27, 232],
  pkey_mprotect: [329, 288],
  pkey_alloc: [330, 289],
  pkey_free: [331, 290],
  futex: [202, 98],
  set_robust_list: [273, 99],
  get_robust_list: [274, 100],
  rseq: [334, 293],
  membarrier: [324, 283],
  sched_yield: [24, 124],
  sched_getaffinity: [204, 123],
  sched_getparam: [143, 121],
  sched_getscheduler: [145, 120],
  getcpu: [309, 168],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  sigaltstack: [131, 132],
  restart_syscall: [219, 128],
  getpid: [39, 172],
  gettid: [186, 178],
  getrusage: [98, 165],
  gettimeofday: [96, 169],
  clock_gettime: [228, 113],
  clock_getres: [229, 114],
  clock_nanosleep: [230, 115],
  nanosleep: [35, 101],
  sysinfo: [99, 179],
  uname: [63, 160],
  getrandom: [318, 278],
  exit: [60, 93],
  exit_group: [231, 94],
};
/** Calls that depend on an argument. */
const clone: Row = [56, 220];
const clone3: Row = [435, 435];
const tgkill: Row = [234, 131];
const prctl: Row = [157, 167];
const seccomp: Row = [317, 277];

/** `AUDIT_ARCH_X86_64`, `AUDIT_ARCH_AARCH64` (linux/audit.h). */
const architectures = {x64: 0xc000003e, arm64: 0xc00000b7} as const;

/** linux/filter.h, linux/seccomp.h. */
const loadWord = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAnyBit = 0x45;
const jumpIfAtLeast = 0x35;
const answer = 0x06;
const numberOffset = 0;
const architectureOffset = 4;
const argumentOffset = (index: number): number => 16 + 8 * index;
const allow = 0x7fff0000;
const failWith = (errno: number): number => 0x00050000 | errno;
const killProcess = 0x80000000;
const EPERM = 1;
const ENOSYS = 38;
const cloneThread = 0x00010000;
/** Bit of the numbers of the 32-bit ABI on x86-64. */
const x32 = 0x40000000;

/** `prctl` options (linux/prctl.h). */
const setDeathSignal = 1;
const setDumpable = 4;
const setName = 15;
const setNoNewPrivileges = 38;
const setVma = 0x53564d41;
const SIGKILL = 9;

/** `setrlimit` (asm-generic/resource.h). */
const limitData = 2;
const limitCore = 4;
const limitFileSize = 1;

/** What a confined program reads about itself before (man 5 proc_pid_status). */
export const statusFile = "/proc/self/status";

/**
 * @param memoryBytes what the process may allocate from here on
 *
 * Throws `ENGINE_ERROR` where the system doesn't take it.
 */
export function confine({libc, address, errno}: Native, memoryBytes: number): void {
  if (process.platform !== "linux") return;
  const limits: readonly (readonly [number, number])[] = [
    [limitData, ownBytes() + memoryBytes],
    [limitCore, 0],
    [limitFileSize, 0],
  ];
  for (const [resource, bytes] of limits) {
    if (libc.setrlimit(resource, BigUint64Array.of(BigInt(bytes), BigInt(bytes))) !== 0) refused("a limit", errno());
  }
  // Ends with the process that started it, even while it computes; others of the same user can't read its memory.
  if (libc.prctl(setDeathSignal, SIGKILL, 0, 0, 0) !== 0) refused("the signal of the parent's end", errno());
  if (libc.prctl(setDumpable, 0, 0, 0, 0) !== 0) refused("closing the memory to others", errno());
  if (libc.prctl(setNoNewPrivileges, 1, 0, 0, 0) !== 0) refused("giving up privileges", errno());
  const column = process.arch === "arm64" ? 1 : 0;
  const filter = systemCallFilter(column, process.pid);
  // struct sock_fprog: u16 count, then a pointer to the instructions.
  const program = new DataView(new ArrayBuffer(16));
  program.setUint16(0, filter.length / 8, true);
  program.setBigUint64(8, address(filter), true);
  // SECCOMP_SET_MODE_FILTER, for all threads (SECCOMP_FILTER_FLAG_TSYNC).
  if (libc.syscall(seccomp[column]!, 1, 1, new Uint8Array(program.buffer)) !== 0) refused("seccomp", errno());
}

/** What the kernel counts against `limitData` already: Node.js 24 reserves 0.5 GB for code, Node.js 20 nothing. */
function ownBytes(): number {
  const [, kilobytes] = /^VmData:\s*(\d+) kB$/m.exec(readFileSync(statusFile, "latin1")) ?? [];
  if (kilobytes === undefined) {
    throw new LitertError("ENGINE_ERROR", `${statusFile} doesn't tell VmData; use the wasm engine`);
  }
  return Number(kilobytes) * 1024;
}

function refused(what: string, errno: number): never {
  throw new LitertError("ENGINE_ERROR", `the system refuses ${what} (errno ${errno}); use the wasm engine`);
}

/** The list as a program for the kernel's machine: 8 bytes an instruction (code, jumps, operand). */
export function systemCallFilter(column: 0 | 1, pid: number): Uint8Array {
  const code: (readonly [code: number, ifTrue: number, ifFalse: number, operand: number])[] = [];
  const load = (offset: number) => code.push([loadWord, 0, 0, offset]);
  const give = (value: number) => code.push([answer, 0, 0, value]);
  /** `value` for a call, where the word of its argument is `wanted`. */
  const onArgument = ([...row]: Row, argument: number, test: number, wanted: readonly number[]) => {
    code.push([jumpIfEqual, 0, 2 * wanted.length + 2, row[column]!]);
    load(argumentOffset(argument));
    for (const each of wanted) {
      code.push([test, 0, 1, each]);
      give(allow);
    }
    give(failWith(EPERM));
  };
  load(architectureOffset);
  code.push([jumpIfEqual, 1, 0, column === 0 ? architectures.x64 : architectures.arm64]);
  give(killProcess);
  load(numberOffset);
  code.push([jumpIfAtLeast, 0, 1, x32]);
  give(killProcess);
  for (const row of Object.values(allowed)) {
    const number = row[column];
    if (number === null || number === undefined) continue;
    code.push([jumpIfEqual, 0, 1, number]);
    give(allow);
  }
  onArgument(clone, 0, jumpIfAnyBit, [cloneThread]);
  onArgument(tgkill, 0, jumpIfEqual, [pid]);
  onArgument(prctl, 0, jumpIfEqual, [setName, setVma]);
  // The C library then uses clone, whose arguments can be looked at.
  code.push([jumpIfEqual, 0, 1, clone3[column]!]);
  give(failWith(ENOSYS));
  give(failWith(EPERM));
  const view = new DataView(new ArrayBuffer(8 * code.length));
  code.forEach(([operation, ifTrue, ifFalse, operand], at) => {
    view.setUint16(8 * at, operation, true);
    view.setUint8(8 * at + 2, ifTrue);
    view.setUint8(8 * at + 3, ifFalse);
    view.setUint32(8 * at + 4, operand, true);
  });
  return new Uint8Array(view.buffer);
}
