import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildPackages } from "../../build/packages.ts";
import { version } from "../../src/version.ts";
import { missingProgram } from "../missing-program.ts";

const missing = missingProgram("rpmbuild") || missingProgram("lintian");

describe("the distributions' packages", { skip: missing }, () => {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-packages-test-"));
  const root = join(folder, "root");
  let [deb, rpm] = ["", ""];
  before(async () => {
    [deb = "", rpm = ""] = await buildPackages(process.arch, folder);
    execFileSync("dpkg-deb", ["--extract", deb, root]);
  });
  after(() => rmSync(folder, { recursive: true }));

  it("satisfy lintian: no errors, and no warnings", () => {
    const { stdout } = spawnSync("lintian", ["--allow-root", deb], { encoding: "utf8" });
    const lines = stdout.split("\n").filter((line) => /^[EW]:/.test(line));
    assert.deepEqual(lines, []);
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
      .map((line) => line.split(" "));
    for (const [path = "", mode = "", user] of inRpm) {
      assert.deepEqual([mode.slice(5).includes("w"), user], [false, "root"], path);
    }
    const inDeb = execFileSync("find", [".", "-type", "f", "-printf", "/%P\n"], {
      cwd: root,
      encoding: "utf8",
    });
    const paths = inRpm.map(([path = ""]) => path).sort();
    assert.deepEqual(paths, inDeb.trim().split("\n").sort());
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
