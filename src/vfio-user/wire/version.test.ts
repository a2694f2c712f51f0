import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { VFIO_USER_VERSION_HEAD } from "./protocol.ts";
import {
  answerVersion,
  checkAnswer,
  decodeVersion,
  encodeVersion,
  OWN_CAPABILITIES,
  peerLimits,
} from "./version.ts";

/** What QEMU 11.1 proposes (hw/vfio-user/proxy.c, caps_json). */
const QEMU =
  '{"capabilities": {"migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "max_msg_fds": 16, ' +
  '"write_multiple": true, "max_data_xfer_size": 1048576, "pgsizes": 4096, "max_dma_maps": 65535}}';

function versionMessage(text: string, { major = 0, minor = 0, close = "\0" } = {}): Uint8Array {
  const head = VFIO_USER_VERSION_HEAD.encode({ major, minor });
  return Buffer.concat([head, Buffer.from(text + close)]);
}

describe("the version message", () => {
  it("decodes what it encodes", () => {
    const capabilities = fc.record(
      {
        max_msg_fds: fc.nat(),
        max_data_xfer_size: fc.integer({ min: 1 }),
        max_dma_maps: fc.nat(),
        pgsizes: fc.integer({ min: 1 }),
        write_multiple: fc.boolean(),
        twin_socket: fc.record({ supported: fc.boolean(), fd_index: fc.nat(9) }, { noNullPrototype: true }),
      },
      { requiredKeys: [], noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffff), capabilities, (major, minor, spoken) => {
        const version = { major, minor, capabilities: spoken };
        assert.deepEqual(decodeVersion(encodeVersion(version), "the peer"), version);
      }),
    );
  });

  it("reads QEMU's, leaving out what it does not know", () => {
    const { capabilities } = decodeVersion(versionMessage(QEMU), "QEMU");
    assert.deepEqual(capabilities, OWN_CAPABILITIES);
  });

  it("takes no JSON at all, and JSON that says nothing", () => {
    for (const payload of [
      VFIO_USER_VERSION_HEAD.encode({}),
      versionMessage("{}"),
      versionMessage('{"capabilities":{}}'),
    ]) {
      assert.deepEqual(decodeVersion(payload, "the peer").capabilities, {});
    }
    const { maxDescriptors, maxTransfer } = peerLimits({});
    assert.deepEqual({ maxDescriptors, maxTransfer }, { maxDescriptors: 1, maxTransfer: 1 << 20 });
  });

  const bad: Record<string, Uint8Array> = {
    "is cut short": new Uint8Array(3),
    "do not end with a zero byte": versionMessage("{}", { close: "" }),
    "are not JSON": versionMessage("{capabilities"),
    "are wrong": versionMessage('"capabilities"'),
    max_msg_fds: versionMessage('{"capabilities":{"max_msg_fds":"8"}}'),
    max_data_xfer_size: versionMessage('{"capabilities":{"max_data_xfer_size":0}}'),
    max_dma_maps: versionMessage('{"capabilities":{"max_dma_maps":-1}}'),
    pgsizes: versionMessage('{"capabilities":{"pgsizes":1e300}}'),
    twin_socket: versionMessage('{"capabilities":{"twin_socket":true}}'),
  };
  for (const [problem, payload] of Object.entries(bad)) {
    it(`refuses one that says: ${problem}`, () => {
      assert.throws(() => decodeVersion(payload, "the peer"), {
        code: "ERR_PROTOCOL",
        message: new RegExp(problem),
      });
    });
  }
  it("refuses bytes that are not UTF-8", () => {
    const payload = Buffer.concat([VFIO_USER_VERSION_HEAD.encode({}), Buffer.from([0x22, 0xff, 0x22, 0])]);
    assert.throws(() => decodeVersion(payload, "the peer"), { code: "ERR_PROTOCOL", message: /not JSON/ });
  });
});

describe("the agreement on a version", () => {
  it("answers the same major version, no higher minor one, and a subset of the capabilities", () => {
    const proposed = { major: 0, minor: 0, capabilities: { max_msg_fds: 2, write_multiple: true } };
    const answer = answerVersion(proposed, "the client");
    assert.deepEqual(answer, { major: 0, minor: 0, capabilities: { max_msg_fds: 16, write_multiple: true } });
    assert.equal(answerVersion({ ...proposed, minor: 7 }, "the client").minor, 1);
    assert.throws(() => answerVersion({ ...proposed, major: 1 }, "the client"), {
      code: "ERR_PROTOCOL",
      message: /speaks version 1/,
    });
  });

  it("answers QEMU in no more room than QEMU's proposal took, which is all QEMU reads", () => {
    const proposal = versionMessage(QEMU);
    const answer = encodeVersion(answerVersion(decodeVersion(proposal, "QEMU"), "QEMU"));
    assert.ok(answer.length <= proposal.length, `${answer.length} bytes to ${proposal.length}`);
  });

  it("refuses an answer of another major or a higher minor version", () => {
    checkAnswer({ major: 0, minor: 1, capabilities: {} }, "the server");
    assert.throws(() => checkAnswer({ major: 1, minor: 0, capabilities: {} }, "the server"), {
      code: "ERR_PROTOCOL",
    });
    assert.throws(() => checkAnswer({ major: 0, minor: 2, capabilities: {} }, "the server"), {
      code: "ERR_PROTOCOL",
    });
  });

  it("uses no limit above its own", () => {
    assert.deepEqual(peerLimits({ max_msg_fds: 1000, max_data_xfer_size: 2 ** 30, pgsizes: 4096 }), {
      maxDescriptors: 16,
      maxTransfer: 1 << 20,
      maxWrite: 1 << 20,
      maxDmaMaps: null,
      pageSize: 4096,
    });
    assert.deepEqual(peerLimits({ max_msg_fds: 0, max_data_xfer_size: 1 }), {
      maxDescriptors: 0,
      maxTransfer: 1,
      maxWrite: 1,
      maxDmaMaps: null,
      pageSize: null,
    });
  });

  it("sends writes that the kernel does not cut up to a server that may be libvfio-user", () => {
    const libvfioUser =
      '{ "capabilities": { "max_msg_fds": 8, "max_data_xfer_size": 1048576, "migration": { "pgsize": 4096 }, ' +
      '"twin_socket": { "supported": true, "fd_index": 0 } } }';
    const { capabilities } = decodeVersion(versionMessage(libvfioUser, { minor: 1 }), "libvfio-user");
    assert.deepEqual(peerLimits(capabilities), {
      maxDescriptors: 8,
      maxTransfer: 1 << 20,
      maxWrite: 32 * 1024 - 32,
      maxDmaMaps: null,
      pageSize: null,
    });
    for (const known of [{ pgsizes: 4096 }, { max_dma_maps: 16 }, { write_multiple: false }])
      assert.equal(peerLimits({ ...capabilities, ...known }).maxWrite, 1 << 20);
  });
});
