/** Debian's package, by dpkg-deb. */

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../src/version.ts";
import { DESCRIPTION, MAINTAINER, SUMMARY, writeTree } from "./contents.ts";

/**
 * The user comes with the package; the service with the administrator, who starts it: nothing runs unasked, and one that
 * runs is the new one after an upgrade.
 */
const POSTINST = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers hugebar.conf || true
	fi
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
		if [ -n "$2" ]; then
			systemctl try-restart hugebar-exporter.service || true
		fi
	fi
fi
`;
/** Also where systemd does not run, as in a chroot: what was enabled is links. */
const PRERM = `#!/bin/sh
set -e
if [ "$1" = remove ] && command -v systemctl >/dev/null; then
	if [ -d /run/systemd/system ]; then
		systemctl stop hugebar-exporter.service || true
	fi
	systemctl --quiet disable hugebar-exporter.service || true
fi
`;
/** The user stays, as those of Debian's packages do: another that got its number would own what it left. */
const POSTRM = `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
`;

interface DebOptions {
  readonly seconds: number;
  readonly compression: readonly [kind: "xz" | "gzip", level: number];
}

/**
 * @param staged what is packed, with nothing else in it
 * @param compression dpkg-deb's kind of it, and its level
 * @returns the file's path
 */
export function buildDeb(
  staged: string,
  arch: string,
  output: string,
  { seconds, compression: [kind, level] }: DebOptions,
): string {
  const file = join(output, `hugebar_${version()}-1_${arch}.deb`);
  const kib =
    execFileSync("du", ["-sk", "--apparent-size", staged], { encoding: "utf8" }).split("\t")[0] ?? "";
  const control = [
    "Package: hugebar",
    `Version: ${version()}-1`,
    `Architecture: ${arch}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kib}`,
    // What Node needs, by the newest versions of symbols that it asks of each.
    "Depends: libatomic1 (>= 4.8), libc6 (>= 2.28), libgcc-s1 (>= 4.2), libstdc++6 (>= 5)",
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
    { path: "DEBIAN/postrm", content: POSTRM, mode: 0o755 },
    { path: "DEBIAN/md5sums", content: md5sums(staged) },
  ]);
  execFileSync(
    "dpkg-deb",
    ["--root-owner-group", `-Z${kind}`, `-z${level}`, "--threads-max=1", "--build", staged, file],
    {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
    },
  );
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
