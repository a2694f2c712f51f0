/** `hugebar inspect --watch` on a terminal, whose size changes. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { on, once } from "node:events";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { missingProgram } from "../missing-program.ts";
import { buildTool } from "./built-tool.ts";

const machine = fileURLToPath(new URL("../machines/x86-mixed", import.meta.url));
/** What begins a screen. */
const CLEARED = "\u001b[H\u001b[J";

describe("hugebar inspect --watch on a terminal", { skip: missingProgram("script") }, () => {
  const tool = buildTool();

  it("shows the same in the new width as soon as the terminal has it", async (t) => {
    const words = ["inspect", "--watch", "--all", "--proc", `${machine}/proc`, "--sys", `${machine}/sys`];
    const command = [process.execPath, tool.main, ...words].map((word) => `'${word}'`).join(" ");
    // Each `read` waits for a line that is typed below.
    const session = `stty -echo cols 100 rows 50; ${command} & pid=$!; read line; stty cols 45; read line; kill -INT $pid; wait $pid`;
    const child = spawn("script", ["-qec", session, "/dev/null"], {
      env: { ...process.env, NO_COLOR: "1", TERM: "xterm", LC_ALL: "C.UTF-8", SHELL: "/bin/sh" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    const ended = once(child, "close");
    const widths: number[] = [];
    let text = "";
    for await (const [part] of on(child.stdout.setEncoding("utf8"), "data", { close: ["end"] })) {
      text += String(part).replaceAll("\r", "");
      const screens = text.split(CLEARED).slice(1);
      const [screen = ""] = screens.slice(-1);
      if (!screen.endsWith("\n")) continue;
      const width = Math.max(...screen.split("\n").map((line) => line.length));
      if (width === widths.at(-1)) continue;
      widths.push(width);
      child.stdin.write("\n");
    }
    await ended;
    const [wide = 0, narrow = 0, ...more] = widths;
    assert.ok(wide > 45 && wide <= 100, `${wide}`);
    assert.ok(narrow > 0 && narrow <= 45, `${narrow}`);
    assert.deepEqual(more, []);
  });
});
