/** What the distributions' packages consist of, beside the executable. */

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { version } from "../../src/version.ts";
import { notices } from "../notices.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export const SUMMARY = "shows which processes map device memory with huge pages";
export const DESCRIPTION = [
  "hugebar maps the memory of PCI devices (VFIO regions) so that the Linux",
  "kernel can use huge pages, proves that it did, and shows where any other",
  "program on the machine failed to: for hosts of virtual machines with GPUs.",
];
export const MAINTAINER = "The hugebar authors <hugebar@users.noreply.github.com>";

/** A file of the packages: where it goes, and what is in it. */
export interface Packed {
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
  "hugebar: maintainer-script-calls-systemctl [postinst:*]",
  "hugebar: maintainer-script-calls-systemctl [prerm:*]",
  "hugebar: initial-upload-closes-no-bugs [usr/share/doc/hugebar/changelog.Debian.gz:1]",
  "",
].join("\n");

function debianChangelog(seconds: number): string {
  const date = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
  return `hugebar (${version()}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- ${MAINTAINER}  ${date}\n`;
}

/** All but the executable itself, which is large and copied. The texts come from this machine's Node, not the executable. */
export function commonFiles(): Packed[] {
  return [
    { path: "usr/share/man/man1/hugebar.1.gz", content: gzip(printed("man")) },
    { path: "usr/share/bash-completion/completions/hugebar", content: printed("completion", "bash") },
    { path: "usr/share/fish/vendor_completions.d/hugebar.fish", content: printed("completion", "fish") },
    {
      path: "usr/lib/systemd/system/hugebar-exporter.service",
      content: sourceText("deploy/systemd/hugebar-exporter.service"),
    },
    { path: "usr/lib/sysusers.d/hugebar.conf", content: sourceText("deploy/systemd/hugebar.sysusers") },
    { path: "usr/share/doc/hugebar/third-party-notices.gz", content: gzip(notices()) },
    { path: "usr/share/doc/hugebar/changelog.gz", content: gzip(sourceText("CHANGELOG.md")) },
  ];
}

export function debianFiles(seconds: number): Packed[] {
  return [
    { path: "usr/share/zsh/vendor-completions/_hugebar", content: printed("completion", "zsh") },
    { path: "usr/share/doc/hugebar/copyright", content: copyright() },
    { path: "usr/share/doc/hugebar/changelog.Debian.gz", content: gzip(debianChangelog(seconds)) },
    { path: "usr/share/lintian/overrides/hugebar", content: OVERRIDES },
  ];
}

export function rpmFiles(): Packed[] {
  return [
    { path: "usr/share/zsh/site-functions/_hugebar", content: printed("completion", "zsh") },
    { path: "usr/share/licenses/hugebar/LICENSE", content: sourceText("LICENSE") },
  ];
}

function printed(...words: string[]): string {
  const main = join(root, "src/cli/main.ts");
  return toolOutput(process.execPath, "--disable-warning=ExperimentalWarning", main, ...words);
}

function sourceText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** Level 9 and no name or time in it, as Debian's policy has it. */
function gzip(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

/** Debian's machine-readable copyright file; the executable has Node and koffi in it. */
function copyright(): string {
  const licence = sourceText("LICENSE");
  const indented = (text: string): string =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => (line.trim() === "" ? " ." : ` ${line}`))
      .join("\n");
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: hugebar",
    "Comment: The executable contains Node.js and packages of others; third-party-notices.gz has their licences.",
    "",
    "Files: *",
    "Copyright: 2026 The hugebar authors",
    "License: MIT",
    indented(licence.slice(licence.indexOf("Permission"))),
    "",
  ].join("\n");
}

export function writeTree(folder: string, files: readonly Packed[]): void {
  for (const { path, content, mode = 0o644 } of files) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), content);
    chmodSync(join(folder, path), mode);
  }
}
