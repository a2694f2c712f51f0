/**
 * Makes the distributions' packages of the executable: `node build/packages.ts [--arch x64|arm64] [--output DIR]`, with
 * dpkg-deb for .deb and rpmbuild for .rpm. The same sources give the same bytes: times are those of the last commit.
 */

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { version } from "../src/version.ts";
import { buildExecutable } from "./executable.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** What each packager calls an architecture. */
const NAMES: Readonly<Record<string, { readonly deb: string; readonly rpm: string }>> = {
  x64: { deb: "amd64", rpm: "x86_64" },
  arm64: { deb: "arm64", rpm: "aarch64" },
};

const SUMMARY = "shows which processes map device memory with huge pages";
const DESCRIPTION = [
  "hugebar maps the memory of PCI devices (VFIO regions) so that the Linux",
  "kernel can use huge pages, proves that it did, and shows where any other",
  "program on the machine failed to: for hosts of virtual machines with GPUs.",
];
const MAINTAINER = "The hugebar authors <hugebar@users.noreply.github.com>";

/** Seconds since 1970: of the last commit, or as reproducible-builds.org/specs/source-date-epoch has it. */
function sourceDate(): number {
  const given = process.env["SOURCE_DATE_EPOCH"];
  const text = given ?? execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" });
  return Number(text);
}

/** A file of the packages: where it goes, and what is in it. */
interface Packed {
  readonly path: string;
  readonly content: Buffer | string;
  readonly mode?: number;
}

function toolOutput(tool: string, ...words: string[]): string {
  return execFileSync(tool, words, { encoding: "utf8", env: {} });
}

/** What Node's own build has in it, and a single executable application cannot do without. */
const OVERRIDES = [
  "hugebar: embedded-library mbedtls [usr/bin/hugebar]",
  "hugebar: embedded-library zlib [usr/bin/hugebar]",
  "hugebar: hardening-no-pie [usr/bin/hugebar]",
  "hugebar: maintainer-script-calls-systemctl [prerm:*]",
  "hugebar: initial-upload-closes-no-bugs [usr/share/doc/hugebar/changelog.Debian.gz:1]",
  "",
].join("\n");

function debianChangelog(seconds: number): string {
  const date = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
  return `hugebar (${version()}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- ${MAINTAINER}  ${date}\n`;
}

/** All but the executable itself, which is large and copied. The texts come from this machine's Node, not the executable. */
function filesFor(seconds: number): Packed[] {
  const print = (...words: string[]): string =>
    toolOutput(
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      join(root, "src/cli/main.ts"),
      ...words,
    );
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  return [
    // Level 9 and no name or time in it, as Debian's policy has it.
    { path: "usr/share/man/man1/hugebar.1.gz", content: gzip(print("man")) },
    { path: "usr/share/bash-completion/completions/hugebar", content: print("completion", "bash") },
    { path: "usr/share/zsh/vendor-completions/_hugebar", content: print("completion", "zsh") },
    { path: "usr/share/fish/vendor_completions.d/hugebar.fish", content: print("completion", "fish") },
    {
      path: "usr/lib/systemd/system/hugebar-exporter.service",
      content: read("deploy/systemd/hugebar-exporter.service"),
    },
    { path: "usr/lib/sysusers.d/hugebar.conf", content: read("deploy/systemd/hugebar.sysusers") },
    { path: "usr/share/doc/hugebar/copyright", content: copyright() },
    { path: "usr/share/doc/hugebar/changelog.gz", content: gzip(read("CHANGELOG.md")) },
    { path: "usr/share/doc/hugebar/changelog.Debian.gz", content: gzip(debianChangelog(seconds)) },
    { path: "usr/share/lintian/overrides/hugebar", content: OVERRIDES },
  ];
}

function gzip(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

/** Debian's machine-readable copyright file; the executable has Node and koffi in it. */
function copyright(): string {
  const licence = readFileSync(join(root, "LICENSE"), "utf8");
  const indented = (text: string): string =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => (line.trim() === "" ? " ." : ` ${line}`))
      .join("\n");
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: hugebar",
    "Comment: The executable contains Node.js (MIT, with the licences of its parts, https://github.com/nodejs/node/blob/main/LICENSE)",
    " and koffi (MIT).",
    "",
    "Files: *",
    "Copyright: 2026 The hugebar authors",
    "License: MIT",
    indented(licence.slice(licence.indexOf("Permission"))),
    "",
  ].join("\n");
}

function writeTree(folder: string, files: readonly Packed[]): void {
  for (const { path, content, mode = 0o644 } of files) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), content);
    chmodSync(join(folder, path), mode);
  }
}

/** The user comes with the package and its service with the administrator, who starts it: nothing runs unasked. */
const POSTINST = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers hugebar.conf || true
	fi
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
	fi
fi
`;
const PRERM = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl disable --now hugebar-exporter.service || true
fi
`;

function buildDeb(staged: string, arch: string, output: string, seconds: number): string {
  const file = join(output, `hugebar_${version()}-1_${arch}.deb`);
  const kib =
    execFileSync("du", ["-sk", "--apparent-size", staged], { encoding: "utf8" }).split("\t")[0] ?? "";
  const control = [
    "Package: hugebar",
    `Version: ${version()}-1`,
    `Architecture: ${arch}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kib}`,
    // What Node needs (the newest symbols of GLIBC_ and GLIBCXX_ that it has).
    "Depends: libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 9)",
    "Section: admin",
    "Priority: optional",
    "Homepage: https://github.com/hugebar/hugebar",
    `Description: ${SUMMARY}`,
    ...DESCRIPTION.map((line) => ` ${line}`),
    "",
  ].join("\n");
  writeTree(staged, [
    { path: "DEBIAN/control", content: control },
    { path: "DEBIAN/postinst", content: POSTINST, mode: 0o755 },
    { path: "DEBIAN/prerm", content: PRERM, mode: 0o755 },
    { path: "DEBIAN/md5sums", content: md5sums(staged) },
  ]);
  execFileSync("dpkg-deb", ["--root-owner-group", "--build", staged, file], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
  });
  rmSync(join(staged, "DEBIAN"), { recursive: true });
  return file;
}

function md5sums(folder: string): string {
  return execFileSync(
    "sh",
    ["-c", "find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 md5sum"],
    {
      cwd: folder,
      encoding: "utf8",
    },
  );
}

function buildRpm(staged: string, arch: string, output: string, seconds: number, work: string): string {
  const spec = [
    "Name: hugebar",
    `Version: ${version()}`,
    "Release: 1",
    `Summary: ${SUMMARY.charAt(0).toUpperCase()}${SUMMARY.slice(1)}`,
    "License: MIT",
    "URL: https://github.com/hugebar/hugebar",
    "AutoReqProv: no",
    "Requires: glibc >= 2.28, libstdc++",
    "%description",
    ...DESCRIPTION,
    "%install",
    `cp -a ${staged}/. %{buildroot}/`,
    "%post",
    "systemd-sysusers hugebar.conf >/dev/null 2>&1 || :",
    "[ -d /run/systemd/system ] && systemctl daemon-reload || :",
    "%preun",
    '[ "$1" = 0 ] && [ -d /run/systemd/system ] && systemctl disable --now hugebar-exporter.service || :',
    "%files",
    "%defattr(-,root,root,-)",
    ...execFileSync("find", [".", "(", "-type", "f", "-o", "-type", "l", ")", "-printf", "/%P\n"], {
      cwd: staged,
      encoding: "utf8",
    })
      .trimEnd()
      .split("\n")
      .sort(),
    "",
  ].join("\n");
  writeFileSync(join(work, "hugebar.spec"), spec);
  const define = (name: string, value: string): string[] => ["--define", `${name} ${value}`];
  execFileSync(
    "rpmbuild",
    [
      ["-bb", "--quiet", "--target", `${arch}-linux`],
      define("_topdir", join(work, "rpm")),
      define("_rpmdir", output),
      define("_build_name_fmt", "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm"),
      // The executable is stripped already, and is broken by a second time: what is inside lies behind its sections.
      define("__os_install_post", "%{nil}"),
      define("debug_package", "%{nil}"),
      define("_build_id_links", "none"),
      define("_buildhost", "localhost"),
      define("use_source_date_epoch_as_buildtime", "1"),
      define("clamp_mtime_to_source_date_epoch", "1"),
      join(work, "hugebar.spec"),
    ].flat(),
    { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) } },
  );
  return join(output, `hugebar-${version()}-1.${arch}.rpm`);
}

/** Makes both; returns their paths. */
export async function buildPackages(arch: string, output: string): Promise<string[]> {
  const names = NAMES[arch];
  if (names === undefined) throw new Error(`There are no packages for ${arch}: x64 and arm64 there are`);
  const work = mkdtempSync(join(tmpdir(), "hugebar-packages-"));
  try {
    const staged = join(work, "root");
    const seconds = sourceDate();
    mkdirSync(join(staged, "usr/bin"), { recursive: true });
    mkdirSync(output, { recursive: true });
    const executable = join(work, "hugebar");
    await buildExecutable({ arch, output: executable });
    copyFileSync(executable, join(staged, "usr/bin/hugebar"));
    writeTree(staged, filesFor(seconds));
    execFileSync("find", [staged, "-exec", "touch", "-h", "-d", `@${seconds}`, "{}", "+"]);
    return [buildDeb(staged, names.deb, output, seconds), buildRpm(staged, names.rpm, output, seconds, work)];
  } finally {
    rmSync(work, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: process.arch },
      output: { type: "string", default: "dist/packages" },
    },
  });
  for (const file of await buildPackages(values.arch, resolve(values.output)))
    process.stdout.write(`${file}\n`);
}
