import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VfioUserMessageEvent } from "../../vfio-user/wire/message-events.ts";
import { messageLine } from "./message-text.ts";

const message: VfioUserMessageEvent = {
  side: "server",
  device: "vfio-user:/run/gpu.sock",
  twin: false,
  direction: "received",
  id: 7,
  command: 9,
  name: "VFIO_USER_REGION_READ",
  type: "command",
  size: 32,
  flags: 0,
  errno: 0,
  descriptors: 0,
  fields: { offset: 0x1000n, region: 0, count: 4 },
};

describe("the line of a message", () => {
  it("names what it is and what its structure says", () => {
    assert.equal(
      messageLine(message),
      "received 7 VFIO_USER_REGION_READ, 32 bytes: offset 0x1000, region 0, count 4",
    );
    assert.equal(
      messageLine({ ...message, direction: "sent", twin: true, flags: 0x10, descriptors: 2, fields: {} }),
      "sent by the twin socket 7 VFIO_USER_REGION_READ, 32 bytes, 2 descriptors, no reply wanted",
    );
  });

  it("names an error reply's errno, also one that the peer made up or left out", () => {
    const reply = { ...message, type: "reply", flags: 0x21, fields: {}, size: 16 } as const;
    assert.match(messageLine({ ...reply, errno: 13 }), / reply, 16 bytes, error EACCES$/);
    assert.match(messageLine({ ...reply, errno: 0 }), /, error EINVAL$/);
    assert.match(messageLine({ ...reply, errno: 0xffff_ffff }), /, error 4294967295$/);
  });

  it("is one line without escape sequences, and no longer than a screen, whatever a peer's text", () => {
    const text = `{"a\u001b[2J":1}\nhugebar: a forged line\r\u2028\u202e\u009b31m`;
    const line = messageLine({ ...message, fields: { capabilities: text + "x".repeat(2000) } });
    assert.doesNotMatch(line, /[\p{C}\u2028\u2029]/u);
    assert.ok(line.length <= 401 && line.endsWith("…"));
    assert.match(line, /capabilities \{"a\\x1b\[2J":1\}\\x0ahugebar: a forged line/);
  });
});
