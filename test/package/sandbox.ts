/**
 * Runs a program under what a unit of systemd's sets, where systemd does not run: its user, capabilities, mounts and system
 * calls. Not emulated: IPAddressDeny (a program for control groups), and what the filter of system calls and the missing
 * capabilities already refuse.
 */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Unit = ReadonlyMap<string, readonly string[]>;

/** The settings of a unit's service, each with its words in the order of the file. */
export function readUnit(path: string): Unit {
  const settings = new Map<string, string[]>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, name, value = ""] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) settings.set(name, [...(settings.get(name) ?? []), ...value.split(" ")]);
  }
  return settings;
}

/** The settings that `sandboxed` applies as they are here; the others it takes from the unit. */
export const APPLIED: Readonly<Record<string, string>> = {
  NoNewPrivileges: "yes",
  ProtectSystem: "strict",
  ProtectHome: "yes",
  PrivateTmp: "yes",
  PrivateDevices: "yes",
  PrivateMounts: "yes",
  ProtectKernelTunables: "yes",
  ProtectControlGroups: "yes",
  RestrictNamespaces: "yes",
  SystemCallArchitectures: "native",
  UMask: "0077",
};

/** No user of a system's. */
const USER = 64_999;

/**
 * What `unshare --mount` is to run.
 *
 * @param folder for what is made on the way
 * @param words what the program is given
 */
export function sandboxed(unit: Unit, folder: string, program: string, words: readonly string[]): string[] {
  const launcher = join(folder, "launch");
  writeFileSync(`${launcher}.c`, LAUNCHER);
  execFileSync("cc", ["-o", launcher, `${launcher}.c`]);
  writeFileSync(join(folder, "filter"), filter(allowedCalls(unit), families(unit)));
  const names = (unit.get("CapabilityBoundingSet") ?? []).map((name) =>
    name.replace("CAP_", "").toLowerCase(),
  );
  const capabilities = ["-all", ...names.map((name) => `+${name}`)].join(",");
  const script = `set -e; cd /
    mount --make-rprivate /
    mount -t tracefs tracefs /sys/kernel/tracing
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/dev
    for each in null zero full random urandom; do
      : >/mnt/dev/$each; mount --bind /dev/$each /mnt/dev/$each
    done
    : >/mnt/program; mount --bind "${program}" /mnt/program
    cp "${launcher}" /mnt/launch; cp "${join(folder, "filter")}" /mnt/filter
    cut -d' ' -f5 /proc/self/mountinfo | grep -vE '^/(proc|dev|mnt)(/|$)' | while read -r each; do
      mount -o remount,bind,ro "$each" || test "$each" != /
    done
    mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys
    mount --rbind /mnt/dev /dev
    for each in /home /root /run/user /tmp /var/tmp; do test ! -d $each || mount -t tmpfs tmpfs $each; done
    umask 077
    exec setpriv --reuid=${USER} --regid=${USER} --clear-groups --no-new-privs \\
      --bounding-set=${capabilities} --inh-caps=${capabilities} --ambient-caps=${capabilities} \\
      /mnt/launch /mnt/filter /mnt/program "$@"`;
  return ["--mount", "sh", "-c", script, "sh", ...words];
}

/** Sets the filter in the file named first, and becomes the program named second. */
const LAUNCHER = `#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int argc, char **argv) {
  static struct sock_filter code[BPF_MAXINSNS];
  long size = read(open(argv[1], O_RDONLY), code, sizeof code);
  struct sock_fprog program = { size / sizeof code[0], code };
  if (size <= 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 99;
  execv(argv[2], argv + 2);
  return 98;
}
`;

/** The numbers of the calls that SystemCallFilter leaves, by systemd's own sets. */
function allowedCalls(unit: Unit): number[] {
  const sets = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of execFileSync("systemd-analyze", ["syscall-filter"], { encoding: "utf8" }).split("\n")) {
    if (/^@\S+$/.test(line)) sets.set(line, (current = []));
    else if (/^ {4}[@a-z]/.test(line)) current.push(line.trim());
  }
  const namesOf = (word: string): string[] =>
    word.startsWith("@") ? (sets.get(word) ?? []).flatMap(namesOf) : [word];
  const allowed = new Set<string>();
  let isTaking = false;
  for (const word of unit.get("SystemCallFilter") ?? []) {
    // The tilde stands before the first word of a line, and what is taken away comes last.
    isTaking ||= word.startsWith("~");
    for (const name of namesOf(word.replace("~", ""))) {
      if (isTaking) allowed.delete(name);
      else allowed.add(name);
    }
  }
  const header = execFileSync("cc", ["-dM", "-E", "-include", "asm/unistd.h", "-x", "c", "/dev/null"], {
    encoding: "utf8",
  });
  const numbers = header.matchAll(/^#define __NR_(\w+) (\d+)$/gm);
  return Array.from(numbers).flatMap(([, name = "", number]) => (allowed.has(name) ? [Number(number)] : []));
}

function families(unit: Unit): number[] {
  // linux/socket.h
  const numbers = new Map([
    ["AF_UNIX", 1],
    ["AF_INET", 2],
    ["AF_INET6", 10],
    ["AF_NETLINK", 16],
  ]);
  return (unit.get("RestrictAddressFamilies") ?? []).map((name) => {
    const number = numbers.get(name);
    if (number === undefined) throw new Error(`which number has ${name}?`);
    return number;
  });
}

/** linux/seccomp.h, linux/audit.h; numbers of x86-64's calls; offsets into struct seccomp_data. */
const [ALLOW, KILL, ERRNO] = [0x7fff_0000, 0x8000_0000, 0x5_0000];
const AUDIT_ARCH_X86_64 = 0xc000_003e;
const [SOCKET, CLONE, CLONE3] = [41, 56, 435];
const [NUMBER, ARCH, FIRST_ARGUMENT] = [0, 4, 16];
const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97];
/** CLONE_NEW…, linux/sched.h */
const NAMESPACES = 0x7e02_0000;

/** A filter of system calls (Documentation/userspace-api/seccomp_filter.rst), with what systemd adds for namespaces and sockets. */
function filter(calls: readonly number[], socketFamilies: readonly number[]): Buffer {
  const load = (offset: number) => [0x20, 0, 0, offset];
  const answer = (value: number) => [0x06, 0, 0, value];
  /** Goes on where it is so, else past `otherwise` instructions. */
  const ifEqual = (value: number, otherwise: number) => [0x15, 0, otherwise, value];
  const ifAnyBit = (bits: number, otherwise: number) => [0x45, 0, otherwise, bits];
  const code = [
    load(ARCH),
    [0x15, 1, 0, AUDIT_ARCH_X86_64],
    answer(KILL),
    load(NUMBER),
    ifEqual(CLONE3, 1),
    // Its flags lie in memory; who gets this answer takes clone.
    answer(ERRNO + ENOSYS),
    ifEqual(CLONE, 4),
    load(FIRST_ARGUMENT),
    ifAnyBit(NAMESPACES, 1),
    answer(ERRNO + EPERM),
    answer(ALLOW),
    ifEqual(SOCKET, 2 + 2 * socketFamilies.length),
    load(FIRST_ARGUMENT),
    ...socketFamilies.flatMap((family) => [ifEqual(family, 1), answer(ALLOW)]),
    answer(ERRNO + EAFNOSUPPORT),
    ...calls.flatMap((number) => [ifEqual(number, 1), answer(ALLOW)]),
    answer(KILL),
  ];
  const bytes = Buffer.alloc(code.length * 8);
  for (const [index, [operation = 0, yes = 0, no = 0, value = 0]] of code.entries()) {
    bytes.writeUInt16LE(operation, index * 8);
    bytes.writeUInt8(yes, index * 8 + 2);
    bytes.writeUInt8(no, index * 8 + 3);
    bytes.writeUInt32LE(value, index * 8 + 4);
  }
  return bytes;
}
