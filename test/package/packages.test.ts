import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it, type TestContext } from "node:test";
import { buildPackages } from "../../build/packages.ts";
import { version } from "../../src/version.ts";
import { leaveOut } from "../left-out.ts";
import { missingProgram } from "../missing-program.ts";
import { artefacts } from "../vm/provision/artefacts.ts";
import { folderOf } from "../vm/provision/cache.ts";
import { debianRoleNames, type DebianRole } from "../vm/provision/debian-root.ts";
import { provision, whyNotHere } from "../vm/provision/provision.ts";
import { runInside, runWithDevices } from "../vm/provision/roots.ts";
import { builtExecutable } from "./built-executable.ts";

const missing = missingProgram("rpmbuild") || missingProgram("lintian");
const folder = mkdtempSync(join(tmpdir(), "hugebar-packages-test-"));
after(() => rmSync(folder, { recursive: true }));

const quick = { arch: process.arch, compression: "quick" } as const;
let [executable, deb, rpm] = ["", "", ""];
/** What it says of the .deb: asked for while the other tests run, for it takes as long as all of them. */
let lintian: Promise<string> = Promise.resolve("");

function linesOfLintian(): Promise<string> {
  const child = spawn("lintian", ["--allow-root", deb], { stdio: ["ignore", "pipe", "inherit"] });
  return text(child.stdout);
}

describe("the distributions' packages", { skip: missing }, () => {
  const root = join(folder, "root");
  before(async () => {
    executable = await builtExecutable();
    [deb = "", rpm = ""] = buildPackages({ ...quick, executable, output: folder });
    execFileSync("dpkg-deb", ["--extract", deb, root]);
    lintian = linesOfLintian();
  });

  it("are the same when they are made again", () => {
    for (const again of buildPackages({ ...quick, executable, output: join(folder, "again") })) {
      assert.ok(readFileSync(again).equals(readFileSync(join(folder, basename(again)))), again);
    }
  });

  it("have a tool that runs from where it was unpacked", () => {
    const tool = join(root, "usr/bin/hugebar");
    assert.equal(execFileSync(tool, ["--version"], { encoding: "utf8", env: {} }), `hugebar ${version()}\n`);
  });

  it("have the same files, none of which others than root may write", () => {
    const listed = execFileSync(
      "rpm",
      ["-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}\n]", rpm],
      {
        encoding: "utf8",
      },
    );
    const inRpm = listed
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, mode = ""]) => !mode.startsWith("d"));
    for (const [path = "", mode = "", user] of inRpm) {
      assert.deepEqual([mode.slice(5).includes("w"), user], [false, "root"], path);
    }
    const inDeb = execFileSync("find", [".", "-type", "f", "-printf", "/%P\n"], {
      cwd: root,
      encoding: "utf8",
    });
    const paths = inRpm.map(([path = ""]) => path).sort();
    const debPaths = inDeb.trim().split("\n").sort();
    // Where zsh looks for completions, and what says whose work it is, differs.
    assert.deepEqual(
      debPaths.filter((path) => !paths.includes(path)),
      [
        "/usr/share/doc/hugebar/changelog.Debian.gz",
        "/usr/share/doc/hugebar/copyright",
        "/usr/share/lintian/overrides/hugebar",
        "/usr/share/zsh/vendor-completions/_hugebar",
      ],
    );
    assert.deepEqual(
      paths.filter((path) => !debPaths.includes(path)),
      ["/usr/share/licenses/hugebar/LICENSE", "/usr/share/zsh/site-functions/_hugebar"],
    );
  });

  it("bring the service as deploy/ has it, and start nothing unasked", () => {
    const unit = "usr/lib/systemd/system/hugebar-exporter.service";
    assert.equal(
      readFileSync(join(root, unit), "utf8"),
      readFileSync("deploy/systemd/hugebar-exporter.service", "utf8"),
    );
    const scripts = execFileSync("rpm", ["-qp", "--scripts", rpm], { encoding: "utf8" });
    assert.doesNotMatch(scripts, /systemctl (?:start|enable|restart)/);
  });
});

/** What an administrator does with a tool that is installed; the last lines say who the service is, and whether it is on. */
const USE = `
  hugebar --version
  hugebar plan --size 8G >/dev/null
  hugebar demo >/dev/null
  hugebar devices >/dev/null
  hugebar inspect >/dev/null
  hugebar doctor >/dev/null || test $? = 1 -o $? = 4
  setpriv --reuid=hugebar-exporter --regid=hugebar-exporter --clear-groups hugebar inspect -q >/dev/null
  MANPAGER=cat man hugebar | grep -q '^NAME'
  . /usr/share/bash-completion/completions/hugebar
  complete -p hugebar >/dev/null
  test -s /usr/share/zsh/*/_hugebar -a -s /usr/share/fish/vendor_completions.d/hugebar.fish
  getent passwd hugebar-exporter | cut -d: -f1,6,7
  systemctl is-enabled hugebar-exporter || true
  systemctl --quiet enable hugebar-exporter 2>/dev/null
  test -L /etc/systemd/system/multi-user.target.wants/hugebar-exporter.service
`;
const USED = [`hugebar ${version()}`, "hugebar-exporter:/:/usr/sbin/nologin", "disabled"];

/** What installing anything leaves in a system, be it there still or not: logs, lists and the last copies of what changed. */
const LEFT_BY_THE_SYSTEM =
  /^(?:var\/(?:log|cache|lib\/(?:apt|dpkg|rpm))(?:\/|$)|etc\/(?:passwd|group|shadow|gshadow)-$|etc\/\.pwd\.lock$|tmp\/|root\/)/;

function filesOf(root: string): string[] {
  const listed = execFileSync("find", [root, "-mindepth", "1", "-printf", "%P\\n"], { encoding: "utf8" });
  return listed
    .trim()
    .split("\n")
    .filter((path) => !LEFT_BY_THE_SYSTEM.test(path))
    .sort();
}

const noRoots =
  missing || (process.getuid?.() === 0 ? false : "chroot is for root") || (whyNotHere() ?? false);

describe("in a clean root", { skip: noRoots }, () => {
  /** A copy of the system for a test, with the package in it; null where no such system is to be had, and the test left out. */
  async function copyOf(t: TestContext, role: DebianRole, file: string): Promise<string | null> {
    try {
      await provision([role, `${role}-dependencies`]);
    } catch (error) {
      // Without a network, say: what was made before is still there, and the others are tested.
      leaveOut(t, `there is no ${role}: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
    const root = join(folder, `${role}-${basename(file)}`);
    execFileSync("cp", ["-a", "--reflink=auto", folderOf(artefacts[role]), root]);
    cpSync(folderOf(artefacts[`${role}-dependencies`]), join(root, "tmp/packages"), { recursive: true });
    copyFileSync(file, join(root, "tmp/packages", basename(file)));
    return root;
  }

  for (const role of debianRoleNames) {
    it(`of ${role} the .deb is installed, used, removed and purged, and nothing is left of it`, async (t) => {
      const root = await copyOf(t, role, deb);
      if (root === null) return;
      const before = filesOf(root);
      runInside(root, "apt-get install --yes /tmp/packages/*.deb >/dev/null");
      assert.deepEqual(runInside(root, USE).trim().split("\n"), USED);
      runInside(root, "apt-get remove --yes hugebar >/dev/null && ! command -v hugebar");
      runInside(root, "apt-get purge --yes --autoremove hugebar libatomic1 >/dev/null");
      assert.deepEqual(filesOf(root), before);
      rmSync(root, { recursive: true });
    });
  }

  it("the .rpm is whole, installed, used and removed, and nothing is left of it", async (t) => {
    const root = await copyOf(t, "debian-stable", rpm);
    if (root === null) return;
    runInside(root, "dpkg --install /tmp/packages/*.deb >/dev/null");
    const before = filesOf(root);
    const inRoot = (...words: string[]): string =>
      runWithDevices(root, ["rpm", "--root", root, "--dbpath", "/var/lib/rpm", ...words]);
    assert.match(inRoot("-K", rpm), /digests OK/);
    // Debian's libraries are none of RPM's packages.
    inRoot("--install", "--nodeps", rpm);
    assert.deepEqual(runInside(root, USE).trim().split("\n"), USED);
    inRoot("--erase", "hugebar");
    assert.deepEqual(filesOf(root), before);
    rmSync(root, { recursive: true });
  });
});

describe("the .deb", { skip: missing }, () => {
  it("satisfies lintian: no errors, and no warnings", async () => {
    const lines = (await lintian).split("\n").filter((line) => /^[EW]:/.test(line));
    assert.deepEqual(lines, []);
  });
});
