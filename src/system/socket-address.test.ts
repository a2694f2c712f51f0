import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HugebarError } from "../errors.ts";
import { unixAddress } from "./socket-address.ts";

describe("unixAddress", () => {
  it("is AF_UNIX, the path and a closing zero", () => {
    assert.deepEqual([...unixAddress("/a")], [1, 0, 0x2f, 0x61, 0]);
  });

  it("takes 107 bytes of UTF-8 and no more", () => {
    assert.equal(unixAddress(`/${"x".repeat(106)}`).length, 110);
    assert.equal(unixAddress(`/${"ü".repeat(53)}`).length, 110);
    refuses(`/${"x".repeat(107)}`, /has 108 bytes, and Unix sockets allow 107/);
    refuses(`/${"ü".repeat(54)}`, /has 109 bytes/);
  });

  it("refuses a path that the kernel would read as another", () => {
    refuses("", /it is empty/);
    refuses("/a\0b", /it holds a zero byte/);
    refuses("\0abstract", /it holds a zero byte/);
  });
});

function refuses(path: string, message: RegExp): void {
  assert.throws(
    () => unixAddress(path),
    (error) => error instanceof HugebarError && error.code === "ERR_ARGUMENT" && message.test(error.message),
  );
}
