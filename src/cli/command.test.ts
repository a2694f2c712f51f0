import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCommand } from "./command.ts";

describe("parseCommand", () => {
  it("finds the verb and hands on what follows", () => {
    assert.deepEqual(parseCommand(["plan", "--size", "4K"]), {
      kind: "verb",
      verb: "plan",
      words: ["--size", "4K"],
    });
  });

  it("takes --json and --quiet before the verb, too", () => {
    assert.deepEqual(parseCommand(["-j", "--quiet", "plan", "--size", "4K"]), {
      kind: "verb",
      verb: "plan",
      words: ["-j", "--quiet", "--size", "4K"],
    });
  });

  it("knows the tool's own options", () => {
    assert.deepEqual(parseCommand(["-V"]), { kind: "version" });
    assert.deepEqual(parseCommand(["--version"]), { kind: "version" });
    assert.deepEqual(parseCommand(["-h"]), { kind: "help", verb: null });
    assert.deepEqual(parseCommand(["--help"]), { kind: "help", verb: null });
  });

  it("shows a verb's help wherever it is asked for, before --", () => {
    assert.deepEqual(parseCommand(["plan", "--size", "--help"]), { kind: "help", verb: "plan" });
    assert.deepEqual(parseCommand(["plan", "--", "-h"]), { kind: "verb", verb: "plan", words: ["--", "-h"] });
  });

  it("refuses what it does not know, with what was probably meant", () => {
    assert.throws(() => parseCommand(["pln"]), {
      code: "ERR_USAGE",
      message: "Unknown verb pln: did you mean plan?",
    });
    assert.throws(() => parseCommand(["fly"]), { message: "Unknown verb fly: see hugebar --help" });
    assert.throws(() => parseCommand(["constructor"]), {
      message: "Unknown verb constructor: see hugebar --help",
    });
    assert.throws(() => parseCommand(["--versoin"]), {
      message: "Unknown option --versoin: did you mean --version?",
    });
    assert.throws(() => parseCommand([]), { message: "No verb is given: see hugebar --help" });
    assert.throws(() => parseCommand(["-q"]), { message: "No verb is given: see hugebar --help" });
  });
});
