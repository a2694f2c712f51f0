import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { unknownText } from "./binding.ts";

describe("unknownText", () => {
  const hidden = { what: "which files process 7 has open (CAP_SYS_PTRACE)", isRefused: true };
  const untold = { what: "who is connected to the host by it (vsock)", isRefused: false };

  it("sends for rights only where they would tell", () => {
    assert.equal(
      unknownText([untold, hidden]),
      "it cannot be told who is connected to the host by it (vsock); which files process 7 has open (CAP_SYS_PTRACE); " +
        "run as root with all capabilities, or with --force",
    );
    assert.equal(
      unknownText([untold]),
      "it cannot be told who is connected to the host by it (vsock); --force takes it all the same",
    );
  });
});
