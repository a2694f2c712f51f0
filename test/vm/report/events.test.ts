import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { readEvents } from "./events.ts";

describe("readEvents", () => {
  it("reads a line for each event, whatever the serial port made of the line ends", () => {
    const report = '{"type":"output","text":"a\\n"}\r\n{"type":"end","status":0}\n';
    assert.deepEqual(readEvents(report), [
      { type: "output", text: "a\n" },
      { type: "end", status: 0 },
    ]);
  });

  it("drops a last line that was cut short", () => {
    assert.deepEqual(readEvents('{"type":"end","status":1}\n{"type":"te'), [{ type: "end", status: 1 }]);
  });

  it("refuses a line that is no event", () => {
    assert.throws(() => readEvents('{"type":"end"}\n'));
  });
});
