/** The package of RPM's distributions, by rpmbuild. */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../src/version.ts";
import { DESCRIPTION, SUMMARY } from "./contents.ts";

/** Folders that no other package may have: RPM removes those alone that a package names. */
const OWN_FOLDERS = [
  "/usr/share/doc/hugebar",
  "/usr/share/licenses",
  "/usr/share/licenses/hugebar",
  "/usr/share/bash-completion",
  "/usr/share/bash-completion/completions",
  "/usr/share/fish",
  "/usr/share/fish/vendor_completions.d",
  "/usr/share/zsh",
  "/usr/share/zsh/site-functions",
];

/**
 * @param staged what is packed, with nothing else in it
 * @param level how hard zstd works, 1 to 19
 * @param work a folder for what comes between
 * @returns the file's path
 */
export function buildRpm(
  staged: string,
  arch: string,
  output: string,
  work: string,
  { seconds, level }: { readonly seconds: number; readonly level: number },
): string {
  const spec = [
    "Name: hugebar",
    `Version: ${version()}`,
    "Release: 1",
    `Summary: ${SUMMARY.charAt(0).toUpperCase()}${SUMMARY.slice(1)}`,
    "License: MIT",
    "URL: https://github.com/hugebar/hugebar",
    "AutoReqProv: no",
    ...neededBy(join(staged, "usr/bin/hugebar")).map((needed) => `Requires: ${needed}`),
    "%description",
    ...DESCRIPTION,
    "%install",
    `cp -a ${staged}/. %{buildroot}/`,
    "%post",
    "systemd-sysusers hugebar.conf >/dev/null 2>&1 || :",
    "[ -d /run/systemd/system ] && systemctl daemon-reload || :",
    "%preun",
    'if [ "$1" = 0 ]; then',
    "  [ -d /run/systemd/system ] && systemctl stop hugebar-exporter.service || :",
    "  systemctl --quiet disable hugebar-exporter.service >/dev/null 2>&1 || :",
    "fi",
    "%postun",
    "if [ -d /run/systemd/system ]; then",
    "  systemctl daemon-reload || :",
    '  [ "$1" = 0 ] || systemctl try-restart hugebar-exporter.service || :',
    "fi",
    "%files",
    "%defattr(-,root,root,-)",
    ...OWN_FOLDERS.map((path) => `%dir ${path}`),
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
      // RPM 4.14 and later unpack zstd.
      define("_binary_payload", `w${level}.zstdio`),
      define("_buildhost", "localhost"),
      define("use_source_date_epoch_as_buildtime", "1"),
      define("clamp_mtime_to_source_date_epoch", "1"),
      join(work, "hugebar.spec"),
    ].flat(),
    { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) } },
  );
  return join(output, `hugebar-${version()}-1.${arch}.rpm`);
}

/** What a program asks of libraries, in RPM's words: `libc.so.6(GLIBC_2.28)(64bit)`. Distributions name packages differently. */
function neededBy(program: string): string[] {
  const printed = execFileSync("readelf", ["--wide", "--version-info", program], { encoding: "utf8" });
  const [, needs = ""] = printed.split("Version needs section");
  let library = "";
  const needed = [...needs.matchAll(/ File: (\S+)| Name: (\S+)/g)].map(([, file, version]) => {
    library = file ?? library;
    return `${library}(${version ?? ""})(64bit)`;
  });
  return [...new Set(needed)].filter((each) => !each.startsWith("ld-linux")).sort();
}
