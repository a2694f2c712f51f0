import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { missingProgram } from "../test/missing-program.ts";
import { Peers } from "./peers.ts";

const skip = missingProgram(process.env["CC"] ?? "cc");

describe("Peers", () => {
  const peers = new Peers();
  after(() => peers.close());

  it("compiles a peer, starts it and asks it for samples", { skip }, async () => {
    const peer = await peers.start("load32");
    assert.ok(peer !== null);
    const nanoseconds = await peer.sample(1_000_000);
    assert.ok(Number.isSafeInteger(nanoseconds) && nanoseconds > 0);
    await peers.stop();
    await assert.rejects(async () => peer.sample(1), /peer load32 ended/);
  });

  it("says that a peer ended early", { skip }, async () => {
    await assert.rejects(peers.start("memcpy"), /peer memcpy ended/);
  });

  it("has none where there is no compiler", async () => {
    const none = new Peers("hugebar-no-such-compiler");
    assert.equal(none.compiler, null);
    assert.equal(await none.start("load32"), null);
    await none.close();
  });
});
