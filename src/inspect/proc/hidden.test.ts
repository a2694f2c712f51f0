import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { hidesFrom, hidesProcesses } from "./hidden.ts";

const NOBODY = { seesAll: false, groups: [65_534] };
const ROOT = { seesAll: true, groups: [] };

function mountinfo(options: string): string {
  return `\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:5 - proc proc rw
45 21 0:39 / /mnt/a\\040b rw master:1 propagate_from:2 - proc hidepid=2 ${options}
46 21 0:40 / /run rw - tmpfs tmpfs rw,hidepid=2
`;
}

function scratch(test: Pick<TestContext, "after">): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-hidden-"));
  chmodSync(folder, 0o755);
  test.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("hidesFrom", () => {
  const hides = (options: string, looker = NOBODY): boolean => hidesFrom(mountinfo(options), "0:39", looker);

  it("knows hidepid as old kernels write it, and as new ones do", () => {
    for (const level of ["2", "invisible", "4", "ptraceable"]) {
      assert.equal(hides(`rw,hidepid=${level}`), true, level);
      assert.equal(hides(`rw,hidepid=${level}`, ROOT), false, level);
    }
    for (const options of ["rw", "rw,hidepid=0", "rw,hidepid=off", "rw,hidepid=1", "rw,hidepid=noaccess"]) {
      assert.equal(hides(options), false, options);
    }
  });

  it("lets those of the group given see, except where only tracing counts", () => {
    const member = { seesAll: false, groups: [1000, 27] };
    assert.equal(hides("rw,gid=27,hidepid=invisible", member), false);
    assert.equal(hides("rw,gid=2,hidepid=invisible", member), true);
    assert.equal(hides("rw,gid=27,hidepid=ptraceable", member), true);
    assert.equal(hides("rw,hidepid=2", { seesAll: false, groups: [0] }), false, "root's group, by default");
  });

  it("looks at the mount in question alone, and at procfs alone", () => {
    const hidden = mountinfo("rw,hidepid=2");
    for (const device of ["0:20", "0:40", "8:1", "0:3", "0:99"]) {
      assert.equal(hidesFrom(hidden, device, NOBODY), false, device);
    }
    assert.equal(hidesFrom("45 21 0:39\n45 21 0:39 / /proc rw - proc", "0:39", NOBODY), false);
  });
});

describe("hidesProcesses", () => {
  it("is what a record says, and of another folder false", (test) => {
    const folder = scratch(test);
    assert.equal(hidesProcesses(folder), false);
    writeFileSync(join(folder, "hugebar-record"), "processes: 3\nhidden: yes\n");
    assert.equal(hidesProcesses(folder), true);
    assert.equal(hidesProcesses(join(folder, "nowhere")), false);
  });

  const namespaces = process.getuid?.() === 0 && spawnSync("unshare", ["--mount", "true"]).status === 0;

  it(
    "is what a real mount does",
    { skip: namespaces ? false : "needs root and mount namespaces, to mount procfs" },
    (test) => {
      const folder = scratch(test);
      const look = (options: string): unknown => {
        const place = join(folder, options);
        mkdirSync(place);
        const fixture = new URL("hidden.fixture.ts", import.meta.url).pathname;
        const words = ["--mount", process.execPath, fixture, place, options];
        const { status, stdout, stderr } = spawnSync("unshare", words, { encoding: "utf8" });
        assert.equal(status, 0, stderr);
        return JSON.parse(stdout);
      };
      const seen = { hides: false, seesInit: true };
      const blind = { hides: true, seesInit: false };
      assert.deepEqual(look("hidepid=0"), { root: seen, nobody: seen });
      assert.deepEqual(look("hidepid=1"), { root: seen, nobody: seen });
      // By default it is root's group that sees all.
      assert.deepEqual(look("hidepid=2"), { root: seen, nobody: blind });
      // Root sees all by its rights, except where a security module denies it that, as in a sandbox.
      const group = JSON.stringify(look("hidepid=2,gid=65534"));
      const either = [seen, blind].map((root) => JSON.stringify({ root, nobody: seen }));
      assert.ok(either.includes(group), group);
    },
  );
});
