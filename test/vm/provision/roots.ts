/**
 * Programs from Debian's packages in roots of their own: run from outside by the root's own dynamic loader, so that
 * neither privileges nor a matching C library are needed, or from inside by `chroot`.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { type CommandOptions, run } from "./command.ts";

/** The command that runs `program` (`usr/bin/…`) of the root from outside, with the libraries of the root. */
export function commandIn(root: string, program: string): string[] {
  return [
    join(root, "usr/lib64/ld-linux-x86-64.so.2"),
    "--library-path",
    join(root, "usr/lib/x86_64-linux-gnu"),
    join(root, program),
  ];
}

/** The libraries that a program of the root loads, the loader among them, as paths below the root. */
export function librariesOf(root: string, program: string): string[] {
  const [loader = "", ...rest] = commandIn(root, program);
  const listed = run(loader, ["--list", ...rest]).matchAll(/ => (\S+) \(|^\s*(\/\S+) \(/gm);
  const found = [...listed].map(([, library, interpreter]) => library ?? interpreter ?? "");
  const libraries = found
    .filter((path) => path.startsWith(`${root}/`))
    .map((path) => path.slice(root.length + 1));
  return [...new Set(["usr/lib64/ld-linux-x86-64.so.2", ...libraries])];
}

/** Runs a script inside the root, as root of the machine or of a user namespace; what it prints to standard output. */
export function runInside(
  root: string,
  script: string,
  options: Pick<CommandOptions, "progress"> = {},
): string {
  const inside = ["chroot", root, "/usr/bin/env", "-i", "PATH=/usr/bin:/usr/sbin", "HOME=/root"] as const;
  return runWithDevices(root, [...inside, "bash", "-euc", script], options);
}

/** Runs a command while the root has devices, without which what writes to /dev/null makes a file of that name. */
export function runWithDevices(
  root: string,
  command: readonly [string, ...string[]],
  options: Pick<CommandOptions, "progress"> = {},
): string {
  const isRoot = process.getuid?.() === 0;
  if (isRoot && !maySeparateMounts()) {
    if (!existsSync(join(root, "dev/null")))
      run("mknod", ["-m", "666", join(root, "dev/null"), "c", "1", "3"]);
    const [program, ...words] = command;
    return run(program, words, options);
  }
  // A user namespace may not make device nodes, so the machine's /dev is shown inside; objtool of 7.2 looks into /proc.
  const enter =
    'for folder in dev proc; do mkdir -p "$1/$folder"; mount --rbind "/$folder" "$1/$folder"; done; shift; exec "$@"';
  const namespaces = isRoot ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
  return run("unshare", [...namespaces, "sh", "-c", enter, "sh", root, ...command], options);
}

/** Not where root has few rights, as in many containers. */
function maySeparateMounts(): boolean {
  return spawnSync("unshare", ["--mount", "true"], { stdio: "ignore" }).status === 0;
}
