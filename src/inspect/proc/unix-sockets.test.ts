import assert from "node:assert/strict";
import { fstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { AF_UNIX, SOCK_STREAM } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { unixAddress } from "../../system/socket-address.ts";
import { SystemCallError } from "../../system/system.ts";
import { decodeUnixSocket, findUnixSockets } from "./unix-sockets.ts";

const folder = mkdtempSync(join(tmpdir(), "hugebar-sockets-"));
after(() => {
  rmSync(folder, { recursive: true });
});

function inodeOf(fd: number): number {
  return fstatSync(fd).ino;
}

describe("findUnixSockets", () => {
  it("knows the path of a connection and both of its ends", (t) => {
    const path = join(folder, "a.sock");
    const [server, client] = [0, 0].map(() => linux.socket(AF_UNIX, SOCK_STREAM, 0));
    assert.ok(server !== undefined && client !== undefined);
    linux.bind(server, unixAddress(path));
    linux.listen(server, 1);
    linux.connect(client, unixAddress(path));
    const accepted = linux.accept4(server, 0);
    const pair = linux.socketpair(SOCK_STREAM);
    const all = [server, client, accepted, ...pair];
    t.after(() => {
      for (const fd of all) linux.close(fd);
    });
    const inodes = all.map(inodeOf);
    const [ofServer = 0, ofClient = 0, ofAccepted = 0, ofOne = 0, ofOther = 0] = inodes;
    assert.deepEqual(
      findUnixSockets([...inodes, 0xffff_fff0]),
      new Map([
        [ofServer, { path, peer: null }],
        [ofClient, { path: null, peer: ofAccepted }],
        [ofAccepted, { path, peer: ofClient }],
        [ofOne, { path: null, peer: ofOther }],
        [ofOther, { path: null, peer: ofOne }],
      ]),
    );
  });

  it("finds none where the kernel refuses", () => {
    for (const call of ["socket", "sendmsg", "recvmsg"] as const) {
      const system = {
        ...linux,
        [call]: () => {
          throw new SystemCallError(call, 93);
        },
      };
      assert.equal(findUnixSockets([1, 2], system).size, 0);
    }
  });
});

describe("decodeUnixSocket", () => {
  it("makes of any answer a socket or nothing", () => {
    const header = [
      80, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, isAnswer) => {
        const answer = Uint8Array.from(isAnswer ? [...header, ...bytes] : bytes);
        if (isAnswer) answer[0] = answer.length;
        const socket = decodeUnixSocket(answer, 7);
        assert.equal(socket !== null, isAnswer);
        assert.ok(socket?.path?.startsWith("/") !== false);
      }),
    );
  });

  it("leaves out names that are no paths", () => {
    const named = (name: string): string | null | undefined => {
      const bytes = new TextEncoder().encode(name);
      const answer = new Uint8Array(32 + 4 + bytes.length);
      answer.set([answer.length, 0, 0, 0, 20, 0]);
      answer.set([1, 1, 1, 0, 7], 16);
      answer.set([4 + bytes.length, 0, 0, 0], 32);
      answer.set(bytes, 36);
      return decodeUnixSocket(answer, 7)?.path;
    };
    assert.equal(named("/run/gpu.sock\0"), "/run/gpu.sock");
    assert.equal(named("/run/gpu.sock"), "/run/gpu.sock");
    assert.equal(named("\0abstract"), null);
    assert.equal(named("gpu.sock\0"), null);
  });
});
