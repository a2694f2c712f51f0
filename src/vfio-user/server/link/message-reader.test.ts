import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { openDescriptors } from "../../../system/descriptors.fixture.ts";
import { EFD_CLOEXEC, SOCK_CLOEXEC, SOCK_STREAM } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { MessageReader, type Message } from "./message-reader.ts";
import { encodeMessage, RawPeer } from "../../wire/raw-peer.fixture.ts";

/** Runs `use` with a reader and the peer it reads from, and holds that no descriptor is left behind. */
function connected(use: (reader: MessageReader, peer: RawPeer) => void): void {
  const before = openDescriptors();
  const [near, far] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC);
  const reader = new MessageReader(near, { side: "server", device: "vfio-user:/near", twin: false });
  const peer = new RawPeer(far);
  use(reader, peer);
  reader.close();
  peer.close();
  linux.close(near);
  assert.deepEqual(openDescriptors(), before);
}

/** All messages that are there; their descriptors are closed and counted. */
function readAll(
  reader: MessageReader,
): (Omit<Message, "descriptors" | "payload"> & { passed: number; size: number })[] {
  const messages = [];
  for (;;) {
    const received = reader.receive();
    for (let message = reader.next(); message !== null; message = reader.next()) {
      const { descriptors, payload, ...rest } = message;
      for (const fd of descriptors) linux.close(fd);
      messages.push({ ...rest, passed: descriptors.length, size: payload.length });
    }
    if (received === "hang-up") return messages;
  }
}

describe("the message reader", () => {
  it("gives each of many messages, sent before any is read, its own descriptors", () => {
    const fd = linux.eventfd(0, EFD_CLOEXEC);
    const plan = fc.array(fc.record({ payload: fc.nat(9000), passed: fc.nat(3) }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(plan, (messages) => {
        connected((reader, peer) => {
          for (const [id, { payload, passed }] of messages.entries()) {
            peer.send(
              encodeMessage({ id, command: 2, payload: new Uint8Array(payload) }),
              Array<number>(passed).fill(fd),
            );
          }
          peer.endOfStream();
          const got = readAll(reader).map(({ id, size, passed }) => ({ id, size, passed }));
          assert.deepEqual(
            got,
            messages.map(({ payload, passed }, id) => ({ id, size: payload, passed })),
          );
        });
      }),
      { numRuns: 60 },
    );
    linux.close(fd);
  });

  it("puts a message together from single bytes, its descriptors with the first", () => {
    const fd = linux.eventfd(0, EFD_CLOEXEC);
    connected((reader, peer) => {
      const bytes = encodeMessage({ id: 3, command: 2, payload: new Uint8Array(20) });
      for (let at = 0; at < bytes.length; at += 1) {
        peer.send(bytes.subarray(at, at + 1), at === 0 ? [fd] : []);
        assert.equal(reader.receive(), "bytes");
        const message = reader.next();
        assert.equal(message === null, at < bytes.length - 1);
        if (message === null) continue;
        assert.equal(message.descriptors.length, 1);
        for (const passed of message.descriptors) linux.close(passed);
      }
    });
    linux.close(fd);
  });

  it("closes descriptors of a message that never came whole", () => {
    const fd = linux.eventfd(0, EFD_CLOEXEC);
    connected((reader, peer) => {
      peer.send(encodeMessage({ command: 2, size: 100 }), [fd, fd]);
      assert.equal(reader.receive(), "bytes");
      assert.equal(reader.next(), null);
    });
    linux.close(fd);
  });

  it("tells of more descriptors than it takes, and keeps none of the rest", () => {
    const fd = linux.eventfd(0, EFD_CLOEXEC);
    connected((reader, peer) => {
      peer.send(encodeMessage({ command: 2 }), Array<number>(40).fill(fd));
      peer.endOfStream();
      assert.equal(readAll(reader)[0]?.tooManyDescriptors, true);
    });
    linux.close(fd);
  });

  it("marks a size that no message has", () => {
    for (const size of [0, 15, 0x7fff_ffff, 0xffff_ffff]) {
      connected((reader, peer) => {
        peer.send(encodeMessage({ id: 9, command: 2, size }));
        peer.endOfStream();
        const [message] = readAll(reader);
        assert.equal(message?.malformed, true);
        assert.equal(message?.id, 9);
      });
    }
  });
});
