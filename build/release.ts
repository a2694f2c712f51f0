/**
 * Makes all that a release consists of: `node build/release.ts [--output DIR] [--arch x64 --arch arm64]`. The npm package,
 * the executables, their .deb and .rpm, the planner, the man page, the bill of materials, and the checksums of all these.
 * The same sources give the same bytes, on machines with the same tools.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildExecutable } from "./executable.ts";
import { buildPackages } from "./packages.ts";
import { notices } from "./notices.ts";
import { sbom } from "./sbom.ts";
import { version } from "../src/version.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Makes a release for these architectures in `output`, in the place of what was there. */
export async function buildRelease(output: string, architectures: readonly string[]): Promise<void> {
  mkdirSync(dirname(output), { recursive: true });
  // Whole or not at all.
  const draft = mkdtempSync(`${output}-`);
  try {
    packNpm(draft);
    for (const arch of architectures) {
      const executable = join(draft, `hugebar-linux-${arch}`);
      await buildExecutable({ arch, output: executable });
      buildPackages({ executable, arch, output: draft });
    }
    buildPlanner(draft);
    writeFileSync(join(draft, "hugebar.1"), readFileSync(join(root, "docs/hugebar.1")));
    writeFileSync(join(draft, `hugebar-${version()}.cdx.json`), sbom());
    writeFileSync(join(draft, "third-party-notices.txt"), notices());
    writeFileSync(join(draft, "SHA256SUMS"), checksums(draft));
    chmodSync(draft, 0o755);
    rmSync(output, { recursive: true, force: true });
    renameSync(draft, output);
  } catch (error) {
    rmSync(draft, { recursive: true });
    throw error;
  }
}

/** The planner is one page, which a browser shows by itself. */
function buildPlanner(output: string): void {
  const site = join(output, "site");
  execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", "build/site.ts", site], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  renameSync(join(site, "index.html"), join(output, "hugebar-planner.html"));
  rmdirSync(site);
}

/** Packs the npm package in a copy of this checkout: `dist` may have files of other versions here. */
function packNpm(output: string): void {
  const copy = mkdtempSync(join(tmpdir(), "hugebar-release-"));
  try {
    // With what is not committed yet.
    const files = "git ls-files -z --cached --others --exclude-standard --deduplicate";
    const pipe = `${files} | tar --null -T - --ignore-failed-read -c | tar -x -C "$1"`;
    execFileSync("sh", ["-c", pipe, "sh", copy], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    execFileSync("npm", ["pack", "--silent", "--pack-destination", output], {
      cwd: copy,
      stdio: ["ignore", "ignore", "inherit"],
    });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** As `sha256sum` prints them and `sha256sum -c` reads them, by name. */
function checksums(folder: string): string {
  return readdirSync(folder)
    .sort()
    .map(
      (name) =>
        `${createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex")}  ${name}\n`,
    )
    .join("");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", multiple: true, default: ["x64", "arm64"] },
      output: { type: "string", default: "dist/release" },
    },
  });
  const output = resolve(values.output);
  await buildRelease(output, values.arch);
  process.stdout.write(readFileSync(join(output, "SHA256SUMS"), "utf8"));
}
