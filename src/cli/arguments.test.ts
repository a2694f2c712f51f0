import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseVerb } from "./arguments.ts";

function refused(words: readonly string[], message: string | RegExp): void {
  assert.throws(() => parseVerb("plan", words), { code: "ERR_USAGE", exitCode: 2, message });
}

describe("parseVerb", () => {
  it("reads options long and short, apart and with =, and gives the others their defaults", () => {
    assert.deepEqual(
      parseVerb("plan", ["--size", "64G", "--area=0:4K", "--area", "8K:4K", "-jo", "x.json"]),
      {
        options: {
          size: "64G",
          area: ["0:4K", "8K:4K"],
          cost: false,
          hole: [],
          json: true,
          output: "x.json",
          quiet: false,
          help: false,
        },
        operands: [],
      },
    );
  });

  it("gives a repeatable option that is absent an empty list", () => {
    assert.deepEqual(parseVerb("plan", ["--size", "1"]).options.area, []);
  });

  it("reads operands", () => {
    assert.deepEqual(parseVerb("completion", ["bash"]).operands, ["bash"]);
    assert.deepEqual(parseVerb("completion", ["--", "bash"]).operands, ["bash"]);
    assert.deepEqual(parseVerb("help", []).operands, []);
  });

  it("takes - as a value", () => {
    assert.equal(parseVerb("plan", ["--size", "1", "-o", "-"]).options.output, "-");
  });

  it("refuses unknown options", () => {
    refused(["--size", "1", "--aera", "0:1"], "Unknown option --aera: did you mean --area?");
    refused(["--size", "1", "-z"], "Unknown option -z: see hugebar plan --help");
    refused(["--size", "1", "--constructor"], "Unknown option --constructor: see hugebar plan --help");
    refused(["--size", "1", "--__proto__"], "Unknown option --__proto__: see hugebar plan --help");
  });

  it("refuses an option without its value, and a flag with one", () => {
    refused(["--size"], "--size needs a value (SIZE): see hugebar plan --help");
    refused(["--size="], "--size needs a value (SIZE): see hugebar plan --help");
    refused(["--size", "1", "-o", ""], "-o needs a value (FILE): see hugebar plan --help");
    refused(["--size", "--json"], "--size needs a value (SIZE): see hugebar plan --help");
    refused(["--size", "1", "--json=yes"], "--json takes no value: see hugebar plan --help");
  });

  it("refuses an option given twice, unless it is repeatable", () => {
    refused(["--size", "1", "--size", "2"], "--size is given twice: see hugebar plan --help");
  });

  it("refuses a value that is no choice", () => {
    refused(["--size", "1", "--strategy", "regoin"], '--strategy cannot be "regoin": did you mean region?');
    refused(
      ["--size", "1", "--arch", "mips"],
      '--arch cannot be "mips": it is one of x86-64, arm64-4k, arm64-16k, arm64-64k, riscv64, ppc64-radix-4k, ppc64-radix-64k: see hugebar plan --help',
    );
  });

  it("refuses what is missing and what is too much", () => {
    assert.throws(() => parseVerb("map", ["01:00.0"]), {
      message: "--region INDEX is missing: see hugebar map --help",
    });
    refused(["--size", "1", "more"], 'Cannot make sense of "more": see hugebar plan --help');
    for (const words of [[""], ["310", ""]])
      assert.throws(() => parseVerb("inspect", words), {
        message: "PID is missing: see hugebar inspect --help",
      });
    refused(["--size", "1", ""], 'Cannot make sense of "": see hugebar plan --help');
    assert.throws(() => parseVerb("completion", []), {
      message: "SHELL is missing: see hugebar completion --help",
    });
    assert.throws(() => parseVerb("completion", ["fisch"]), {
      message: 'SHELL cannot be "fisch": did you mean fish?',
    });
  });
});
