import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, fstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import * as c from "./constants.ts";
import { linux } from "./libc.ts";
import { unixAddress } from "./socket-address.ts";
import { SystemCallError } from "./system.ts";

const PAGE = linux.pageSize;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);

function failsWith(call: string, code: string, action: () => unknown): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof SystemCallError);
    assert.deepEqual({ call: error.call, code: error.code }, { call, code });
    return true;
  });
}

function pairOf(t: TestContext, type = c.SOCK_STREAM): readonly [number, number] {
  const pair = linux.socketpair(type | c.SOCK_CLOEXEC);
  t.after(() => pair.forEach((fd) => linux.close(fd)));
  return pair;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

describe("linux: memory", () => {
  it("maps, shows and unmaps memory", () => {
    const address = linux.mmap(0n, PAGE, c.PROT_READ | c.PROT_WRITE, c.MAP_PRIVATE | c.MAP_ANONYMOUS, -1, 0);
    const buffer = linux.view(address, PAGE);
    new Uint8Array(buffer)[PAGE - 1] = 7;
    assert.equal(new Uint8Array(linux.view(address, PAGE))[PAGE - 1], 7);
    linux.detach(buffer);
    assert.equal(buffer.byteLength, 0);
    linux.madvise(address, PAGE, c.MADV_DONTNEED);
    assert.equal(new Uint8Array(linux.view(address, PAGE))[PAGE - 1], 0);
    linux.munmap(address, PAGE);
    failsWith("madvise", "ENOMEM", () => linux.madvise(address, PAGE, c.MADV_DONTNEED));
  });

  it("asks and tells what the process turned off", () => {
    assert.equal(linux.prctl(c.PR_GET_THP_DISABLE, 0, 0), 0);
    linux.prctl(c.PR_SET_THP_DISABLE, 1, 0);
    assert.equal(linux.prctl(c.PR_GET_THP_DISABLE, 0, 0), 1);
    linux.prctl(c.PR_SET_THP_DISABLE, 0, 0);
    assert.equal(linux.prctl(c.PR_GET_THP_DISABLE, 0, 0), 0);
    failsWith("prctl", "EINVAL", () => linux.prctl(c.PR_GET_THP_DISABLE, 1, 0));
  });

  it("fork and waitpid: a child with the same memory, which does nothing until it is ended", () => {
    const fd = linux.memfd_create("inherited", 0);
    linux.ftruncate(fd, PAGE);
    const address = linux.mmap(0n, PAGE, c.PROT_READ, c.MAP_SHARED, fd, 0);
    const child = linux.forkIdle();
    assert.ok(child > 0 && child !== process.pid);
    assert.match(readFileSync(`/proc/${child}/status`, "utf8"), new RegExp(`^PPid:\\s+${process.pid}$`, "m"));
    const inherited = new RegExp(`^${address.toString(16)}-.*memfd:inherited`, "m");
    assert.match(readFileSync(`/proc/${child}/maps`, "utf8"), inherited);
    linux.endChild(child);
    assert.ok(!existsSync(`/proc/${child}`));
    linux.munmap(address, PAGE);
    linux.close(fd);
  });

  it("shows more than 4 GiB at once", () => {
    const size = 188 * 2 ** 30;
    const flags = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_NORESERVE;
    const address = linux.mmap(0n, size, c.PROT_READ | c.PROT_WRITE, flags, -1, 0);
    const buffer = linux.view(address, size);
    assert.equal(new Uint8Array(buffer).length, size);
    new Uint8Array(buffer)[size - 1] = 1;
    linux.detach(buffer);
    linux.munmap(address, size);
  });

  it("names the call and the errno of a failure", () => {
    failsWith("mmap", "EINVAL", () => linux.mmap(0n, 0, c.PROT_NONE, c.MAP_PRIVATE | c.MAP_ANONYMOUS, -1, 0));
    failsWith("munmap", "EINVAL", () => linux.munmap(1n, PAGE));
    failsWith("close", "EBADF", () => linux.close(-1));
    failsWith("open", "ENOENT", () => linux.open("/nowhere", c.O_RDONLY));
    failsWith("open", "EINVAL", () => linux.open("/dev/null\0x", c.O_RDONLY));
    failsWith("ioctl", "ENOTTY", () => {
      const fd = linux.open("/dev/null", c.O_RDONLY | c.O_CLOEXEC);
      try {
        return linux.ioctl(fd, 0x5413, new Uint8Array(8));
      } finally {
        linux.close(fd);
      }
    });
  });
});

describe("linux: files", () => {
  it("reads and writes at an offset, beyond 4 GiB too", () => {
    const fd = linux.memfd_create("libc-test", c.MFD_CLOEXEC);
    linux.ftruncate(fd, 2 ** 40);
    assert.equal(linux.pwrite(fd, bytes("hello"), 2 ** 39), 5);
    const target = new Uint8Array(9);
    assert.equal(linux.pread(fd, target.subarray(2, 7), 2 ** 39), 5);
    assert.equal(text(target), "\0\0hello\0\0");
    assert.equal(linux.pread(fd, target, 2 ** 40), 0);
    linux.close(fd);
    assert.equal(isOpen(fd), false);
  });

  it("passes an ioctl a structure or a number", (t) => {
    const [left, right] = pairOf(t);
    linux.write(left, bytes("four"));
    const FIONREAD = 0x541b;
    const count = new Int32Array(1);
    linux.ioctl(right, FIONREAD, new Uint8Array(count.buffer));
    assert.equal(count[0], 4);
    const FIONCLEX = 0x5450;
    linux.ioctl(right, FIONCLEX, 0);
    assert.equal(linux.fcntl(right, c.F_GETFD, 0), 0);
    linux.fcntl(right, c.F_SETFD, c.FD_CLOEXEC);
    assert.equal(linux.fcntl(right, c.F_GETFD, 0), c.FD_CLOEXEC);
  });

  it("counts with an eventfd", () => {
    const fd = linux.eventfd(3, c.EFD_CLOEXEC | c.EFD_NONBLOCK);
    const counter = new BigUint64Array([4n]);
    const view = new Uint8Array(counter.buffer);
    assert.equal(linux.write(fd, view), 8);
    assert.equal(linux.read(fd, view), 8);
    assert.equal(counter[0], 7n);
    failsWith("read", "EAGAIN", () => linux.read(fd, view));
    linux.close(fd);
  });
});

describe("linux: sockets", () => {
  it("connects a client to a server", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const address = unixAddress(join(folder, "socket"));
    const server = linux.socket(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0);
    const client = linux.socket(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0);
    failsWith("connect", "ENOENT", () => linux.connect(client, address));
    linux.bind(server, address);
    linux.listen(server, 1);
    linux.connect(client, address);
    const peer = linux.accept4(server, c.SOCK_CLOEXEC);
    assert.equal(linux.fcntl(peer, c.F_GETFD, 0), c.FD_CLOEXEC);

    const target = new Uint8Array(8);
    assert.equal(linux.send(client, bytes("ping"), c.MSG_NOSIGNAL), 4);
    assert.equal(linux.recv(peer, target, 0), 4);
    assert.equal(text(target.subarray(0, 4)), "ping");
    linux.setsockopt(
      peer,
      c.SOL_SOCKET,
      c.SO_RCVTIMEO,
      new Uint8Array(new BigInt64Array([0n, 1000n]).buffer),
    );
    failsWith("recv", "EAGAIN", () => linux.recv(peer, target, 0));
    linux.shutdown(client, c.SHUT_WR);
    assert.equal(linux.recv(peer, target, 0), 0);
    for (const fd of [server, client, peer]) linux.close(fd);
    failsWith("send", "EBADF", () => linux.send(client, target, c.MSG_NOSIGNAL));
  });

  it("sends parts as one message, with descriptors beside them", (t) => {
    const [left, right] = pairOf(t);
    const shared = linux.memfd_create("shared", c.MFD_CLOEXEC);
    const parts = [bytes("one "), new Uint8Array(0), bytes("two "), bytes("x".repeat(1000)).subarray(0, 3)];
    assert.equal(linux.sendmsg(left, parts, [shared, left], c.MSG_NOSIGNAL), 11);
    const target = new Uint8Array(100);
    const { descriptors, ...rest } = linux.recvmsg(right, target, 8, 0);
    assert.deepEqual(rest, { bytes: 11, truncated: false });
    assert.equal(text(target.subarray(0, 11)), "one two xxx");
    assert.equal(descriptors.length, 2);
    assert.match(readlinkSync(`/proc/self/fd/${descriptors[0]}`), /memfd:shared/);
    for (const fd of descriptors) {
      assert.equal(linux.fcntl(fd, c.F_GETFD, 0), c.FD_CLOEXEC);
      linux.close(fd);
    }
    linux.close(shared);
  });

  it("receives exactly as many descriptors as wanted, odd numbers too, and says that there were more", (t) => {
    const [left, right] = pairOf(t);
    const before = countOpen();
    for (const [sent, wanted] of [
      [5, 0],
      [5, 1],
      [5, 2],
      [5, 3],
      [5, 5],
      [5, 253],
      [253, 253],
      [253, 252],
      [2, 1000],
    ] as const) {
      linux.sendmsg(
        left,
        [bytes("m")],
        Array.from({ length: sent }, () => left),
        c.MSG_NOSIGNAL,
      );
      const { descriptors, truncated } = linux.recvmsg(right, new Uint8Array(4), wanted, 0);
      assert.equal(descriptors.length, Math.min(sent, wanted));
      assert.equal(new Set(descriptors).size, descriptors.length);
      assert.equal(truncated, sent > wanted);
      assert.equal(countOpen(), before + descriptors.length);
      for (const fd of descriptors) linux.close(fd);
    }
    assert.equal(countOpen(), before);
  });

  it("says when a datagram was cut short, and still hands over its descriptor", (t) => {
    const [left, right] = pairOf(t, c.SOCK_SEQPACKET);
    linux.sendmsg(left, [bytes("too long")], [left], c.MSG_NOSIGNAL);
    const message = linux.recvmsg(right, new Uint8Array(3), 1, 0);
    assert.deepEqual(
      { ...message, descriptors: message.descriptors.length },
      { bytes: 3, descriptors: 1, truncated: true },
    );
    message.descriptors.forEach((fd) => closeSync(fd));
  });

  it("does not show the descriptors of one message in the next", (t) => {
    const [left, right] = pairOf(t);
    linux.sendmsg(left, [bytes("a")], [left], c.MSG_NOSIGNAL);
    linux.recvmsg(right, new Uint8Array(1), 1, 0).descriptors.forEach((fd) => linux.close(fd));
    linux.sendmsg(left, [bytes("b")], [], c.MSG_NOSIGNAL);
    assert.deepEqual(linux.recvmsg(right, new Uint8Array(1), 1, 0), {
      bytes: 1,
      descriptors: [],
      truncated: false,
    });
  });

  it("refuses what the kernel would refuse, before writing past its own structure", (t) => {
    const [left] = pairOf(t);
    const many = Array.from({ length: 1025 }, () => new Uint8Array(1));
    failsWith("sendmsg", "EMSGSIZE", () => linux.sendmsg(left, many, [], c.MSG_NOSIGNAL));
    assert.equal(linux.sendmsg(left, many.slice(1), [], c.MSG_NOSIGNAL), 1024);
    failsWith("sendmsg", "EINVAL", () =>
      linux.sendmsg(
        left,
        [bytes("m")],
        Array.from({ length: 254 }, () => left),
        0,
      ),
    );
    failsWith("sendmsg", "EBADF", () => linux.sendmsg(left, [bytes("m")], [-1], 0));
  });

  it("waits until one of many descriptors is ready", (t) => {
    const [left, right] = pairOf(t);
    const set = [
      { fd: left, events: c.POLLIN, revents: 99 },
      { fd: right, events: c.POLLIN, revents: 99 },
      { fd: -1, events: c.POLLIN, revents: 99 },
    ];
    assert.equal(linux.poll(set, 0), 0);
    assert.deepEqual(
      set.map(({ revents }) => revents),
      [0, 0, 0],
    );
    linux.write(left, bytes("x"));
    assert.equal(linux.poll(set, -1), 1);
    assert.deepEqual(
      set.map(({ revents }) => revents),
      [0, c.POLLIN, 0],
    );
    const long = Array.from({ length: 100 }, () => ({ fd: right, events: c.POLLIN, revents: 0 }));
    assert.equal(linux.poll(long, -1), 100);
    assert.ok(long.every(({ revents }) => revents === c.POLLIN));
    assert.equal(linux.poll([], 0), 0);
  });

  it("goes on waiting when a signal interrupts it, and no longer than it was told", async (t) => {
    const [left, right] = pairOf(t);
    const SIGNALS = 20;
    let signals = 0;
    const count = (): void => void (signals += 1);
    process.on("SIGUSR1", count);
    t.after(() => process.off("SIGUSR1", count));
    const script = `sleep 0.05; for n in $(seq ${SIGNALS}); do kill -USR1 ${process.pid}; sleep 0.01; done; echo -n hi >&3`;
    const stdio = ["ignore", "ignore", "inherit", left] as const;
    const child = spawn("sh", ["-c", script], { stdio: [...stdio] });
    const ended = once(child, "exit");
    const start = performance.now();
    assert.equal(linux.poll([{ fd: right, events: c.POLLIN, revents: 0 }], 100), 0);
    assert.ok(performance.now() - start >= 100, "poll returned early");
    const limit = new Uint8Array(new BigInt64Array([60n, 0n]).buffer);
    linux.setsockopt(right, c.SOL_SOCKET, c.SO_RCVTIMEO, limit); // with it, the kernel does not restart recv (signal(7))
    const target = new Uint8Array(2);
    assert.equal(linux.recv(right, target, 0), 2);
    assert.equal(text(target), "hi");
    await ended;
    assert.ok(signals > 0, "no signal came");
  });
});

function countOpen(): number {
  let open = 0;
  for (let fd = 0; fd < 1024; fd += 1) open += isOpen(fd) ? 1 : 0;
  return open;
}
