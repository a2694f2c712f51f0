import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Patience } from "./patience.ts";

describe("the patience with a client", () => {
  it("is lost for a while, not for ever", () => {
    const patience = new Patience(true);
    assert.equal(patience.has(0), true);
    patience.lose(1000, 1004);
    assert.equal(patience.has(1004), false);
    assert.equal(patience.has(1403), false);
    assert.equal(patience.has(1404), true);
  });

  it("is never there for what is not to be waited for", () => {
    assert.equal(new Patience(false).has(Number.MAX_VALUE), false);
  });

  it("costs no more than a hundredth of the time, whatever the client does", () => {
    const behaviour = fc.array(
      fc.record({ pause: fc.double({ min: 0, max: 50, noNaN: true }), wait: fc.nat(12) }),
    );
    fc.assert(
      fc.property(behaviour, (steps) => {
        const patience = new Patience(true);
        let now = 0;
        let waited = 0;
        let last = 0;
        for (const { pause, wait } of steps) {
          now += pause;
          if (!patience.has(now)) continue;
          patience.lose(now, now + wait);
          now += wait;
          waited += wait;
          last = wait;
        }
        // The wait begun last has its hundredfold before it.
        assert.ok(100 * (waited - last) <= now);
      }),
    );
  });
});
