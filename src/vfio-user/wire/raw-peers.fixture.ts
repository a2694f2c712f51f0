/** For tests: the clients of a server that send it raw messages, and the descriptors they pass along. */

import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { EFD_CLOEXEC, EFD_NONBLOCK, MFD_CLOEXEC } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { VFIO_USER_DEVICE_RESET } from "./protocol.ts";
import { RawPeer } from "./raw-peer.fixture.ts";

export interface RawPeers {
  readonly connect: () => RawPeer;
  /** Connects and agrees on a version. */
  readonly open: () => RawPeer;
  /** The descriptor of a file of this size, of a page where none is given. */
  readonly memfd: (size?: number) => number;
  readonly eventfd: () => number;
  /** Makes room for the next client: the server serves one at a time. */
  readonly closeAll: () => void;
}

/** All that these make is closed after each test, failed or not. */
export function rawPeers(socket: string): RawPeers {
  const peers: RawPeer[] = [];
  const fds: number[] = [];

  function closeAll(): void {
    for (const peer of peers.splice(0)) peer.close();
    for (const fd of fds.splice(0)) linux.close(fd);
  }
  afterEach(closeAll);

  function kept(peer: RawPeer): RawPeer {
    peers.push(peer);
    return peer;
  }

  function keptFd(fd: number): number {
    fds.push(fd);
    return fd;
  }

  return {
    connect: () => kept(RawPeer.connect(socket)),
    open: () => kept(RawPeer.negotiated(socket)),
    memfd(size = 4096) {
      const fd = keptFd(linux.memfd_create("passed", MFD_CLOEXEC));
      linux.ftruncate(fd, size);
      return fd;
    },
    eventfd: () => keptFd(linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
    closeAll,
  };
}

/** A request, the errno of its reply, and the descriptors that go with it. */
export type RequestCase = readonly [
  what: string,
  payload: Uint8Array,
  errno: number,
  descriptors?: () => number[],
];

/** Holds that the reply is this errno, or success where it is 0, and that the connection is good afterwards. */
export function assertErrno(
  peer: RawPeer,
  command: number,
  payload: Uint8Array,
  errno: number,
  descriptors: readonly number[] = [],
): void {
  assert.equal(peer.ask(command, payload, descriptors)?.errno, errno);
  assert.equal(peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))?.errno, 0, "the connection is still good");
}
