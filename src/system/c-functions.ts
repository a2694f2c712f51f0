/** The functions of the C library that hugebar calls, as koffi binds them. */

import { constants } from "node:os";
import { EpollEvents } from "./epoll-events.ts";
import { loadKoffi } from "./koffi.ts";
import { PollSet } from "./poll-set.ts";
import { SocketMessage } from "./socket-message.ts";
import { SystemCallError } from "./system.ts";

const { EINTR, ENOSYS } = constants.errno;

/** What a C function takes through koffi: a pointer is the bytes it points to, or an address. */
type Value = number | bigint | string | null | Uint8Array | Int32Array | BigUint64Array | BigInt64Array;

/** By Node's name of the architecture: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. */
const CALL_NUMBERS: Record<
  "preadv2" | "io_setup" | "io_destroy" | "io_submit" | "io_getevents" | "perf_event_open" | "futex",
  Partial<Record<string, number>>
> = {
  preadv2: { x64: 327, arm64: 286, riscv64: 286 },
  io_setup: { x64: 206, arm64: 0, riscv64: 0 },
  io_destroy: { x64: 207, arm64: 1, riscv64: 1 },
  io_submit: { x64: 209, arm64: 2, riscv64: 2 },
  io_getevents: { x64: 208, arm64: 4, riscv64: 4 },
  perf_event_open: { x64: 298, arm64: 241, riscv64: 241 },
  futex: { x64: 202, arm64: 98, riscv64: 98 },
};

/** All of them, bound: some 8 ms. Each throws `SystemCallError` when it fails. */
export function loadLibc() {
  const koffi = loadKoffi();
  const library = koffi.load(null);

  /** The C function, which throws when it fails; `again` tells whether an interrupted call is repeated. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- prototypes are text: their types stand beside
  function bind<Values extends Value[]>(prototype: string, again = true): (...values: Values) => number {
    const raw = library.func(prototype);
    const call: (...values: Values) => number = raw;
    const { name } = raw.info;
    return (...values) => {
      for (;;) {
        const result = call(...values);
        if (result !== -1) return result;
        const errno = koffi.errno();
        if (errno !== EINTR || !again) throw new SystemCallError(name, errno);
      }
    };
  }

  /** A system call that the C library has no function for, or not every C library; ENOSYS on other architectures. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as above
  function bindCall<Values extends Value[]>(
    call: keyof typeof CALL_NUMBERS,
    parameters: string,
  ): (...values: Values) => number {
    const number = CALL_NUMBERS[call][process.arch];
    const raw = library.func(`int64_t syscall(int64_t number, ${parameters})`);
    const invoke: (...values: [number, ...Values]) => number = raw;
    return (...values) => {
      if (number === undefined) throw new SystemCallError(call, ENOSYS);
      for (;;) {
        const result = invoke(number, ...values);
        if (result !== -1) return result;
        const errno = koffi.errno();
        if (errno !== EINTR) throw new SystemCallError(call, errno);
      }
    };
  }

  const symbol = library.func("uint64_t dlsym(uint64_t handle, const char *name)");
  const dlsym: (handle: number, name: string) => number | bigint = symbol;

  type Sized = [fd: number, bytes: Uint8Array, size: number];
  return {
    // Signed, so that MAP_FAILED is −1 here too; addresses of processes stay below 2^52.
    mmap: bind<[bigint, number, number, number, number, number]>(
      "int64_t mmap(uint64_t address, size_t length, int protection, int flags, int fd, int64_t offset)",
    ),
    munmap: bind<[bigint, number]>("int munmap(uint64_t address, size_t length)"),
    mprotect: bind<[bigint, number, number]>("int mprotect(uint64_t address, size_t length, int protection)"),
    mremap: bind<[bigint, number, number, number, bigint]>(
      "int64_t mremap(uint64_t address, size_t length, size_t new_length, int flags, uint64_t target)",
    ),
    madvise: bind<[bigint, number, number]>("int madvise(uint64_t address, size_t length, int advice)"),
    prctl: bind<[number, number, number, number, number]>(
      "int prctl(int option, uint64_t value, uint64_t flags, uint64_t unused4, uint64_t unused5)",
    ),
    clone: bind<[bigint, bigint, number, number]>(
      "int clone(uint64_t run, uint64_t stack, int flags, uint64_t argument)",
    ),
    dlsym: (name: string): bigint => BigInt(dlsym(0, name)),
    waitpid: bind<[number, null, number]>("int waitpid(int pid, void *status, int options)"),
    open: bind<[string, number, number]>("int open(const char *path, int flags, uint32_t mode)"),
    // Linux has closed the descriptor even when the call was interrupted (close(2)): never repeat it.
    close: bind<[number]>("int close(int fd)", false),
    dup3: bind<[number, number, number]>("int dup3(int from, int onto, int flags)"),
    fcntl: bind<[number, number, number]>("int fcntl(int fd, int command, int64_t argument)"),
    ioctl: bind<[number, number, Uint8Array | number]>("int ioctl(int fd, uint64_t request, void *argument)"),
    pread: bind<[...Sized, number]>("int64_t pread(int fd, void *target, size_t size, int64_t offset)"),
    pwrite: bind<[...Sized, number]>("int64_t pwrite(int fd, void *source, size_t size, int64_t offset)"),
    memfd_create: bind<[string, number]>("int memfd_create(const char *name, uint32_t flags)"),
    ftruncate: bind<[number, number]>("int ftruncate(int fd, int64_t length)"),
    eventfd: bind<[number, number]>("int eventfd(uint32_t initial, int flags)"),
    read: bind<Sized>("int64_t read(int fd, void *target, size_t size)"),
    write: bind<Sized>("int64_t write(int fd, void *source, size_t size)"),
    socket: bind<[number, number, number]>("int socket(int domain, int type, int protocol)"),
    socketpair: bind<[number, number, number, Int32Array]>(
      "int socketpair(int domain, int type, int protocol, void *pair)",
    ),
    connect: bind<Sized>("int connect(int fd, void *address, uint32_t size)"),
    bind: bind<Sized>("int bind(int fd, void *address, uint32_t size)"),
    listen: bind<[number, number]>("int listen(int fd, int backlog)"),
    accept4: bind<[number, number, number, number]>(
      "int accept4(int fd, void *address, void *size, int flags)",
    ),
    setsockopt: bind<[number, number, number, Uint8Array, number]>(
      "int setsockopt(int fd, int level, int option, void *value, uint32_t size)",
    ),
    shutdown: bind<[number, number]>("int shutdown(int fd, int how)"),
    sendmsg: bind<[number, Uint8Array, number]>("int64_t sendmsg(int fd, void *message, int flags)"),
    recvmsg: bind<[number, Uint8Array, number]>("int64_t recvmsg(int fd, void *message, int flags)"),
    send: bind<[...Sized, number]>("int64_t send(int fd, void *source, size_t size, int flags)"),
    recv: bind<[...Sized, number]>("int64_t recv(int fd, void *target, size_t size, int flags)"),
    // poll() repeats itself: what is left of its time limit is less by then.
    poll: bind<[Uint8Array, number, number]>("int poll(void *set, uint64_t count, int milliseconds)", false),
    epoll_create1: bind<[number]>("int epoll_create1(int flags)"),
    epoll_ctl: bind<[number, number, number, Uint8Array]>(
      "int epoll_ctl(int epoll, int operation, int fd, void *event)",
    ),
    // Repeated whole when a signal interrupts it: whoever waits in it waits again anyway.
    epoll_wait: bind<[number, Uint8Array, number, number]>(
      "int epoll_wait(int epoll, void *events, int most, int milliseconds)",
    ),
    perf_event_open: bindCall<[Uint8Array, number, number, number, number]>(
      "perf_event_open",
      "void *attr, int64_t pid, int64_t cpu, int64_t group, uint64_t flags",
    ),
    futex: bindCall<[bigint, number, number, BigInt64Array]>(
      "futex",
      "uint64_t address, int operation, uint32_t value, void *timeout",
    ),
    preadv2: bindCall<[number, BigUint64Array, number, number, number, number]>(
      "preadv2",
      "int fd, void *vector, uint64_t count, int64_t low, int64_t high, int flags",
    ),
    io_setup: bindCall<[number, BigUint64Array]>("io_setup", "uint64_t events, void *context"),
    io_destroy: bindCall<[bigint]>("io_destroy", "uint64_t context"),
    io_submit: bindCall<[bigint, number, BigUint64Array]>(
      "io_submit",
      "uint64_t context, int64_t count, void *requests",
    ),
    io_getevents: bindCall<[bigint, number, number, Uint8Array, number]>(
      "io_getevents",
      "uint64_t context, int64_t least, int64_t most, void *events, uint64_t timeout",
    ),
    pageSize: bind<[]>("int getpagesize()")(),
    view: (address: bigint, length: number): ArrayBuffer => koffi.view(address, length),
    addressOf: koffi.address,
    message: new SocketMessage(koffi.address),
    pollSet: new PollSet(),
    epollEvents: new EpollEvents(),
  };
}
