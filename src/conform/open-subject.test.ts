import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hugebarError } from "../errors.ts";
import { SystemCallError } from "../system/system.ts";
import { decodeMemory } from "./open-subject.ts";

const refused = hugebarError(
  "ERR_SYSTEM",
  { action: "write 2 bytes of configuration space", problem: "input/output error (EIO)" },
  new SystemCallError("pwrite", 5),
);

function device(switchCommand: (bit: number, enabled: boolean) => boolean) {
  return { name: "0000:01:00.0", config: { switchCommand } };
}

describe("decodeMemory", () => {
  it("says whether the device takes it off", () => {
    for (const took of [true, false])
      assert.equal(
        decodeMemory(
          device(() => took),
          false,
        ),
        took,
      );
  });

  it("passes on why it could not even be asked: that is the point's", () => {
    const refuse = device(() => {
      throw refused;
    });
    assert.throws(() => decodeMemory(refuse, false), refused);
  });

  it("throws what ends the test where it does not come back, refused or not taken", () => {
    const stays = /^HugebarError: Cannot test 0000:01:00\.0 any further: its memory decoding stays off, /;
    const refuse = device(() => {
      throw refused;
    });
    for (const each of [device(() => false), refuse]) {
      assert.throws(
        () => decodeMemory(each, true),
        (error: Error) => stays.test(String(error)) && error.cause === undefined,
      );
    }
    assert.throws(() => decodeMemory(refuse, true), /input\/output error \(EIO\)\)$/);
  });
});
