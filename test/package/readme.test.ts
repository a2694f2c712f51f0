/** The README's own commands, as written, by an ordinary user in a copy of this checkout. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Debian's `nobody`. */
const ordinaryUser = 65_534;

const readme = readFileSync(join(root, "README.md"), "utf8");

describe("the README's commands, by an ordinary user", () => {
  let checkout: Checkout;
  before(() => {
    checkout = copyCheckout();
  });
  after(() => checkout.remove());

  it("show the demo", () => {
    const command = "npm ci && npm run demo";
    assertInReadme(`\n${command}\n`);
    assert.match(checkout.run(command), /Against none, region saves 49,286,461 page faults/);
  });

  it("run the tests", () => {
    assertInReadme("\nnpm ci && npm test\n");
    // Of all of them, which this is one of, a few; what they need is installed by now.
    assert.match(checkout.run("npm test -- src/layout"), /^\d+ passed, 0 failed$/m);
  });

  it("run the tool from a checkout, unbuilt and built", () => {
    assertInReadme("`npm run hugebar -- VERB …` or `npx hugebar VERB …` after `npm run build`");
    const words = "plan --size 0x4000000000 --area 0:0x2F00F00000";
    const unbuilt = checkout.run(`npm run --silent hugebar -- ${words}`);
    assert.match(unbuilt, /188 .* 451 /);
    checkout.run("npm run build");
    assert.equal(checkout.run(`npx hugebar ${words}`), unbuilt);
  });
});

function assertInReadme(text: string): void {
  assert.ok(readme.includes(text), `the README says ${text}`);
}

interface Checkout {
  /** Runs a command there to its end, and returns what it prints. */
  run(command: string): string;
  remove(): void;
}

function copyCheckout(): Checkout {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-readme-test-"));
  const [checkout, home] = [join(folder, "hugebar"), join(folder, "home")];
  for (const each of [checkout, home]) mkdirSync(each);
  // With what is not committed yet.
  const copy =
    'git ls-files -z --cached --others --exclude-standard --deduplicate | tar --null -T - --ignore-failed-read -c | tar -x -C "$1"';
  execFileSync("sh", ["-c", copy, "sh", checkout], { cwd: root, stdio: "pipe" });
  const isRoot = process.getuid?.() === 0;
  if (isRoot) execFileSync("chown", ["-R", `${ordinaryUser}:${ordinaryUser}`, folder]);
  const user = isRoot
    ? ["setpriv", `--reuid=${ordinaryUser}`, `--regid=${ordinaryUser}`, "--clear-groups"]
    : [];
  return {
    run(command) {
      const [program, ...words] = [...user, "sh", "-c", command];
      const { status, stdout, stderr } = spawnSync(program, words, {
        cwd: checkout,
        env: { ...withoutNpm(process.env), HOME: home },
        encoding: "utf8",
      });
      assert.equal(status, 0, `${command}:\n${stdout}${stderr}`);
      return stdout;
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** The environment as a shell has it: npm, which runs this, puts its own things in, and this checkout's programs. */
function withoutNpm(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !/^(npm_|INIT_CWD$|NODE)/.test(name));
  const { PATH = "", ...others } = Object.fromEntries(kept);
  const folders = PATH.split(delimiter).filter((path) => !path.endsWith("node_modules/.bin"));
  return { ...others, PATH: folders.join(delimiter) };
}
