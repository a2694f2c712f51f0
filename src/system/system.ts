/**
 * The seam towards the kernel: one method per system call, under its own name. `libc.ts` implements it; tests replace
 * single calls to provoke failures that a healthy machine cannot.
 *
 * Every method throws `SystemCallError` when the call fails; calls interrupted by a signal (EINTR) are repeated.
 */

import { constants } from "node:os";
import { errnoInWords } from "./errno.ts";

/** A failed system call: its name, its errno and the errno's name. */
export class SystemCallError extends Error {
  /** The call, for example `mmap`. */
  readonly call: string;
  readonly errno: number;
  /** The errno's name, for example `ENOMEM`. */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`${call}: ${errnoInWords(code)}`);
    this.name = "SystemCallError";
    this.call = call;
    this.errno = errno;
    this.code = code;
  }
}

/** Second names, which the C library has for EOPNOTSUPP and EAGAIN and the kernel has not. */
const ALIASES = new Set(["ENOTSUP", "EWOULDBLOCK"]);

/** The name of an errno, `EINVAL` for 22; `errno N` for a number this kernel does not name. */
export function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(constants.errno)) {
    if (value === errno && !ALIASES.has(name)) return name;
  }
  return `errno ${errno}`;
}

/** What `recvmsg` brought: the number of bytes, and the descriptors passed along, which the caller now owns. */
export interface ReceivedMessage {
  readonly bytes: number;
  readonly descriptors: readonly number[];
  /** The kernel cut the message or its control data short (MSG_TRUNC or MSG_CTRUNC). */
  readonly truncated: boolean;
}

/** One descriptor to wait for in `poll`: `events` asked for, `revents` filled in. */
export interface PollDescriptor {
  readonly fd: number;
  readonly events: number;
  revents: number;
}

export interface System {
  /** Size of a page in bytes (`sysconf(_SC_PAGESIZE)`). */
  readonly pageSize: number;

  mmap(
    address: bigint,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): bigint;
  munmap(address: bigint, length: number): void;
  mprotect(address: bigint, length: number, protection: number): void;
  /** Moves a mapping, or part of one, of `length` bytes to `target`, over whatever is there (MREMAP_FIXED). */
  mremap(address: bigint, length: number, target: bigint): void;
  madvise(address: bigint, length: number, advice: number): void;
  /** The options that take numbers alone: what the call returns. */
  prctl(option: number, value: number, flags: number): number;
  /** futex(2) on the four bytes at `address`, a multiple of 4; `timeout` is a `struct timespec`. */
  futex(address: bigint, operation: number, value: number, timeout: BigInt64Array): number;
  /** Forks a child that has this process's memory, and does nothing until it is ended, for two minutes at most. */
  forkIdle(): number;
  /** Ends such a child, and waits until it is gone. */
  endChild(pid: number): void;
  /** An `ArrayBuffer` over `length` bytes of this process at `address`; nothing is copied or owned. */
  view(address: bigint, length: number): ArrayBuffer;
  /** Detaches a buffer made by `view`: its length becomes 0 and no JavaScript value reaches the memory through it. */
  detach(buffer: ArrayBuffer): void;

  /**
   * Where the bytes stand in this process, for structures that point to others; good while they are held. Bytes whose
   * address was taken stay in place.
   */
  addressOf(bytes: Uint8Array): bigint;

  open(path: string, flags: number, mode?: number): number;
  close(fd: number): void;
  /**
   * Has the descriptor end with this thread: where a worker is terminated, no code of its own runs any more, and what it
   * has open stays open in the process. Closes it in any case where it fails.
   *
   * @returns the descriptor's number from now on
   */
  tieToThread(fd: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  /** `argument` is a structure the kernel reads and writes in place, or a plain number. */
  ioctl(fd: number, request: number, argument: Uint8Array | number): number;
  pread(fd: number, target: Uint8Array, offset: number): number;
  pwrite(fd: number, source: Uint8Array, offset: number): number;
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, length: number): void;
  eventfd(initial: number, flags: number): number;
  /** Reads or writes whole eventfd counters and the like: at the current position. */
  read(fd: number, target: Uint8Array): number;
  write(fd: number, source: Uint8Array): number;

  /** Reads into `target` at the current position; with RWF_NOWAIT it never waits, whatever the file's own flags say. */
  preadv2(fd: number, target: Uint8Array, flags: number): number;
  /** A context for so many asynchronous requests at once. */
  io_setup(events: number): bigint;
  io_destroy(context: bigint): void;
  /** Submits one request, a `struct iocb`. */
  io_submit(context: bigint, request: Uint8Array): void;
  /** Takes the events that are there, as many as there is room for; returns how many. */
  io_getevents(context: bigint, events: Uint8Array): number;

  socket(domain: number, type: number, protocol: number): number;
  /** `socketpair(AF_UNIX, type, 0)` */
  socketpair(type: number): readonly [number, number];
  /** `address` is a `struct sockaddr_un`, see `socket-address.ts`. */
  connect(fd: number, address: Uint8Array): void;
  bind(fd: number, address: Uint8Array): void;
  listen(fd: number, backlog: number): void;
  accept4(fd: number, flags: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): void;
  shutdown(fd: number, how: number): void;
  /** Sends the parts one after another as one message with the descriptors passed along; returns the bytes sent. */
  sendmsg(fd: number, parts: readonly Uint8Array[], descriptors: readonly number[], flags: number): number;
  /** Receives into `target`, with at most `maxDescriptors` descriptors (more are closed and flagged as truncated). */
  recvmsg(fd: number, target: Uint8Array, maxDescriptors: number, flags: number): ReceivedMessage;
  /** `send` and `recv`: the fast path where no descriptor can come along. */
  send(fd: number, source: Uint8Array, flags: number): number;
  recv(fd: number, target: Uint8Array, flags: number): number;
  /** Waits until a descriptor is ready or `milliseconds` have passed (−1: for ever); returns how many are ready. */
  poll(descriptors: readonly PollDescriptor[], milliseconds: number): number;
  /** An epoll instance: a set of descriptors that one thread waits for while others change it. */
  epoll_create1(flags: number): number;
  /** Adds, changes or takes away `fd`; `token` (a uint32) is what `epoll_wait` will name it by. */
  epoll_ctl(epoll: number, operation: number, fd: number, events: number, token: number): void;
  /** Waits as `poll` does; returns the tokens of descriptors that are ready, at most 64. */
  epoll_wait(epoll: number, milliseconds: number): readonly number[];
  /** `attr` is a `struct perf_event_attr`, see `perf-event.ts`; pid 0 is this thread, cpu −1 any. */
  perf_event_open(attr: Uint8Array, pid: number, cpu: number, group: number, flags: number): number;
}
