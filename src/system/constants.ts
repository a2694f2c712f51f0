/**
 * The kernel's constants that `System`'s calls take, under the kernel's names. The values are those of the generic
 * uAPI headers (asm-generic/, linux/), which x86-64 and arm64 share, except where a line says otherwise.
 */

// mmap(2): asm-generic/mman-common.h, linux/mman.h
export const PROT_NONE = 0x0;
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MAP_FIXED_NOREPLACE = 0x100000;

// mremap(2)
export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;

// madvise(2)
export const MADV_DONTNEED = 4;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_POPULATE_WRITE = 23;
export const MADV_COLLAPSE = 25;

// prctl(2)
export const PR_SET_THP_DISABLE = 41;
export const PR_GET_THP_DISABLE = 42;
export const PR_THP_DISABLE_EXCEPT_ADVISED = 0x2;

// futex(2): linux/futex.h
export const FUTEX_WAIT = 0;
export const FUTEX_PRIVATE_FLAG = 128;

// open(2): asm-generic/fcntl.h
export const O_RDONLY = 0x0;
export const O_WRONLY = 0x1;
export const O_RDWR = 0x2;
export const O_ACCMODE = 0x3;
export const O_CREAT = 0x40;
export const O_EXCL = 0x80;
export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x80000;

// fcntl(2)
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_DUPFD_CLOEXEC = 1030;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const FD_CLOEXEC = 1;

// fcntl(2), F_ADD_SEALS: linux/fcntl.h
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
/** No new writable mappings, and no writes; those that exist stay. Linux 5.1 */
export const F_SEAL_FUTURE_WRITE = 0x10;

// memfd_create(2): linux/memfd.h
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;

// eventfd(2): linux/eventfd.h
export const EFD_NONBLOCK = O_NONBLOCK;
export const EFD_CLOEXEC = O_CLOEXEC;
/** Of preadv2: linux/fs.h. */
export const RWF_NOWAIT = 0x8;

// socket(2): linux/net.h, linux/socket.h, asm-generic/socket.h
export const AF_UNIX = 1;
export const AF_NETLINK = 16;
export const NETLINK_SOCK_DIAG = 4;
export const SOCK_STREAM = 1;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = O_NONBLOCK;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const SOL_SOCKET = 1;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SCM_RIGHTS = 1;
export const SHUT_WR = 1;

// send(2), recv(2): linux/socket.h
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

// poll(2): asm-generic/poll.h
export const POLLIN = 0x1;
export const POLLOUT = 0x4;

// epoll(7): linux/eventpoll.h
export const EPOLL_CLOEXEC = O_CLOEXEC;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLONESHOT = 1 << 30;

// The first PID namespace's number: linux/proc_ns.h
export const PROC_PID_INIT_INO = 0xeffffffc;
