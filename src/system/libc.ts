/**
 * `System` over the C library, by koffi. The first call loads koffi, which takes about 8 ms: what makes no system
 * call does not pay for it.
 */

import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";
import {
  AF_UNIX,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  MSG_CMSG_CLOEXEC,
  O_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from "./constants.ts";
import { closeTied, tie } from "./thread-descriptors.ts";
import { loadLibc } from "./c-functions.ts";
import { MOST_EVENTS } from "./epoll-events.ts";
import { SystemCallError, type System } from "./system.ts";

const { EINTR, EINVAL } = constants.errno;

type Libc = ReturnType<typeof loadLibc>;
let loaded: Libc | undefined;

/** This thread's C library: modules are instantiated once per thread, so nothing here is shared. */
function libc(): Libc {
  loaded ??= loadLibc();
  return loaded;
}

/** `struct iovec`: where, and how many bytes. */
const vector = new BigUint64Array(2);
const AT_POSITION = -1;
/** `struct io_event` of linux/aio_abi.h */
const IO_EVENT_SIZE = 32;

/** A C string ends at its first zero byte; one inside would silently name something else. */
function checkString(call: string, text: string): string {
  if (text.includes("\0")) throw new SystemCallError(call, EINVAL);
  return text;
}

/** `poll` of the prepared set, repeated when a signal interrupts it, with what is left of its time. */
function pollUntil(count: number, milliseconds: number): number {
  const { poll, pollSet } = libc();
  const start = milliseconds > 0 ? performance.now() : 0;
  for (let left = milliseconds; ; left = remaining(milliseconds, start)) {
    try {
      return poll(pollSet.bytes, count, left);
    } catch (error) {
      if (!interrupted(error)) throw error;
    }
  }
}

/** What is left of a time limit that began at `start`; 0 (do not wait) and −1 (for ever) stay what they are. */
function remaining(milliseconds: number, start: number): number {
  return milliseconds <= 0
    ? milliseconds
    : Math.max(0, Math.ceil(milliseconds - (performance.now() - start)));
}

function interrupted(error: unknown): boolean {
  return error instanceof SystemCallError && error.errno === EINTR;
}

/** A child that nobody ends, for its parent is gone, ends by itself. */
const IDLE_SECONDS = 120;
const IDLE_STACK = 0x1_0000;

/** The system calls of this machine. */
export const linux: System = {
  get pageSize() {
    return libc().pageSize;
  },

  mmap: (address, length, protection, flags, fd, offset) =>
    BigInt(libc().mmap(address, length, protection, flags, fd, offset)),
  munmap(address, length) {
    libc().munmap(address, length);
  },
  mprotect(address, length, protection) {
    libc().mprotect(address, length, protection);
  },
  mremap(address, length, target) {
    libc().mremap(address, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  },
  madvise(address, length, advice) {
    libc().madvise(address, length, advice);
  },
  prctl: (option, value, flags) => libc().prctl(option, value, flags, 0, 0),
  futex: (address, operation, value, timeout) => libc().futex(address, operation, value, timeout),
  forkIdle() {
    // V8 does not go on in a child: it runs sleep(3) alone, on a stack of its own.
    const stack = linux.mmap(0n, IDLE_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    try {
      const top = stack + BigInt(IDLE_STACK);
      return libc().clone(libc().dlsym("sleep"), top, constants.signals.SIGCHLD, IDLE_SECONDS);
    } finally {
      linux.munmap(stack, IDLE_STACK);
    }
  },
  endChild(pid) {
    process.kill(pid, "SIGKILL");
    libc().waitpid(pid, null, 0);
  },
  view: (address, length) => libc().view(address, length),
  detach(buffer) {
    // By the prototype: the buffer's own `transfer` may be shadowed.
    ArrayBuffer.prototype.transfer.call(buffer, 0);
  },

  addressOf: (bytes) => libc().addressOf(bytes),

  open: (path, flags, mode = 0) => libc().open(checkString("open", path), flags, mode),
  close(fd) {
    if (closeTied(fd)) return;
    try {
      libc().close(fd);
    } catch (error) {
      if (!interrupted(error)) throw error;
    }
  },
  tieToThread: (fd) => {
    if (isMainThread) return fd;
    const { dup3, close } = libc();
    return tie(
      (onto) => void dup3(fd, onto, O_CLOEXEC),
      () => void close(fd),
    );
  },
  fcntl: (fd, command, argument) => libc().fcntl(fd, command, argument),
  ioctl: (fd, request, argument) => libc().ioctl(fd, request, argument),
  pread: (fd, target, offset) => libc().pread(fd, target, target.length, offset),
  pwrite: (fd, source, offset) => libc().pwrite(fd, source, source.length, offset),
  memfd_create: (name, flags) => libc().memfd_create(checkString("memfd_create", name), flags),
  ftruncate(fd, length) {
    libc().ftruncate(fd, length);
  },
  eventfd: (initial, flags) => libc().eventfd(initial, flags),
  read: (fd, target) => libc().read(fd, target, target.length),
  write: (fd, source) => libc().write(fd, source, source.length),

  perf_event_open: (attr, pid, cpu, group, flags) => libc().perf_event_open(attr, pid, cpu, group, flags),
  preadv2(fd, target, flags) {
    vector[0] = libc().addressOf(target);
    vector[1] = BigInt(target.length);
    // On 64-bit machines the low half is the whole offset.
    return libc().preadv2(fd, vector, 1, AT_POSITION, 0, flags);
  },
  io_setup(events) {
    const context = new BigUint64Array(1);
    libc().io_setup(events, context);
    return context[0] ?? 0n;
  },
  io_destroy(context) {
    libc().io_destroy(context);
  },
  io_submit(context, request) {
    libc().io_submit(context, 1, BigUint64Array.of(libc().addressOf(request)));
  },
  io_getevents: (context, events) =>
    libc().io_getevents(context, 0, Math.floor(events.length / IO_EVENT_SIZE), events, 0),

  socket: (domain, type, protocol) => libc().socket(domain, type, protocol),
  socketpair(type) {
    const pair = new Int32Array(2);
    libc().socketpair(AF_UNIX, type, 0, pair);
    const [left = -1, right = -1] = pair;
    return [left, right];
  },
  connect(fd, address) {
    libc().connect(fd, address, address.length);
  },
  bind(fd, address) {
    libc().bind(fd, address, address.length);
  },
  listen(fd, backlog) {
    libc().listen(fd, backlog);
  },
  accept4: (fd, flags) => libc().accept4(fd, 0, 0, flags),
  setsockopt(fd, level, option, value) {
    libc().setsockopt(fd, level, option, value, value.length);
  },
  shutdown(fd, how) {
    libc().shutdown(fd, how);
  },

  sendmsg(fd, parts, descriptors, flags) {
    const { message, sendmsg } = libc();
    message.prepareSend(parts, descriptors);
    return sendmsg(fd, message.header, flags);
  },
  recvmsg(fd, target, maxDescriptors, flags) {
    const { message, recvmsg } = libc();
    message.prepareReceive(target, maxDescriptors);
    return message.received(recvmsg(fd, message.header, flags | MSG_CMSG_CLOEXEC));
  },
  send: (fd, source, flags) => libc().send(fd, source, source.length, flags),
  recv: (fd, target, flags) => libc().recv(fd, target, target.length, flags),
  poll(descriptors, milliseconds) {
    const { pollSet } = libc();
    pollSet.prepare(descriptors);
    const ready = pollUntil(descriptors.length, milliseconds);
    pollSet.copyBack(descriptors);
    return ready;
  },
  epoll_create1: (flags) => libc().epoll_create1(flags),
  epoll_ctl(epoll, operation, fd, events, token) {
    const { epoll_ctl, epollEvents } = libc();
    epoll_ctl(epoll, operation, fd, epollEvents.prepare(events, token));
  },
  epoll_wait(epoll, milliseconds) {
    const { epoll_wait, epollEvents } = libc();
    return epollEvents.tokens(epoll_wait(epoll, epollEvents.bytes, MOST_EVENTS, milliseconds));
  },
};
