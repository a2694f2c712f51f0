import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";

import { verbHelp } from "./help-text.ts";
import type { Verb } from "./verb.ts";

const COMMANDS = [
  "hugebar plan --size 64G --guest-address 0x3800000000 --hole 0x2000:0x1000",
  "hugebar inspect -o /var/lib/prometheus/node-exporter/textfile-collector/hugebar.prom",
  `hugebar completion zsh > "$folder/and/so/many/more/of/them/_hugebar"`,
  "hugebar demo",
];

const VERB: Verb = {
  summary: "a verb with much to say",
  operands: [{ name: "[[[[DOMAIN]:]BUS]:][DEVICE][.[FUNCTION]]", summary: "which devices that are" }],
  options: {
    size: { type: "string", short: "s", value: "[VENDOR]:[DEVICE][:CLASS[:INTERFACE]]", summary: "how many" },
  },
  details: ["A paragraph that has more to say than there is room for in a line of a narrow terminal."],
  examples: COMMANDS.map((command) => ({ command, shows: "what there is to be seen by whoever tries it" })),
};

/** Each command's lines: those after it are indented as far as what it shows. */
function commandsIn(help: string): string[] {
  const examples = help.slice(help.indexOf("Examples:\n") + "Examples:\n".length);
  return [...examples.matchAll(/^ {2}hugebar (?:.*\\\n)*.*$/gm)].map(([command]) => command);
}

describe("verbHelp", () => {
  for (const width of [40, 41, 57, 80, 120]) {
    it(`has no line longer than ${width} columns`, () => {
      const help = verbHelp("plan", VERB, width);
      assert.deepEqual(
        help.split("\n").filter((line) => line.length > width),
        [],
      );
    });

    it(`has commands of ${width} columns that a shell takes for what they are`, () => {
      const commands = commandsIn(verbHelp("plan", VERB, width));
      const wordsOf = (command: string): string =>
        spawnSync("sh", ["-c", `hugebar() { printf '<%s>' "$@"; }; cd /; ${command.replace(">", "'>'")}`], {
          encoding: "utf8",
          env: { folder: "/x" },
        }).stdout;
      assert.deepEqual(commands.map(wordsOf), COMMANDS.map(wordsOf));
      assert.ok(commands.every((command) => wordsOf(command).startsWith("<")));
    });
  }
});
