/** Whose a process is: a virtual machine's, a container's, a service's; from its control group and its own command line. */

import { join } from "node:path";
import { readTextOrNull } from "./read-file.ts";
import { RECORDED_OWNER } from "./recorded.ts";

export interface Owner {
  /**
   * - `domain`: a virtual machine of libvirt's.
   * - `machine`: one of systemd-machined's or Proxmox', or one that QEMU or Firecracker was given a name for.
   * - `container`: `name` is its id, shortened as the tools show it, or the name that LXC knows it by.
   * - `pod`: of Kubernetes, where it is not told which container of it; `name` is its UID, too.
   * - `unit`: a service or a scope of systemd.
   */
  readonly kind: "domain" | "machine" | "container" | "pod" | "unit";
  readonly name: string;
  /** The Kubernetes pod that a container belongs to, by its UID. */
  readonly pod: string | null;
}

/** `domain web-01`, `container 0123456789ab of pod …` */
export function ownerInWords({ kind, name, pod }: Owner): string {
  return `${kind} ${name}${pod === null || kind === "pod" ? "" : ` of pod ${pod}`}`;
}

/** Null where nothing tells more than the process's name. */
export function readOwner(proc: string, pid: number): Owner | null {
  const recorded = readTextOrNull(join(proc, `${pid}/${RECORDED_OWNER}`), 1024);
  if (recorded !== null) return parseOwner(recorded);
  const group = readTextOrNull(join(proc, `${pid}/cgroup`), 16 * 1024);
  const byGroup = group === null ? null : ownerByGroup(group);
  if (byGroup !== null && byGroup.kind !== "unit") return byGroup;
  const words = readTextOrNull(join(proc, `${pid}/cmdline`)) ?? "";
  return ownerByArguments(words.split("\0")) ?? byGroup;
}

/** As `record` keeps it: kind, name and pod in a line each. */
export function ownerText({ kind, name, pod }: Owner): string {
  return `${kind}\n${name}\n${pod ?? ""}\n`;
}

function parseOwner(text: string): Owner | null {
  const [kind, name = "", pod = ""] = text.split("\n");
  const isKind =
    kind === "domain" || kind === "machine" || kind === "container" || kind === "pod" || kind === "unit";
  return isKind && name !== "" ? { kind, name, pod: pod === "" ? null : pod } : null;
}

/**
 * The owner by `/proc/PID/cgroup`: its lines are `0::PATH`, and before version 2 one for each controller, of which some may
 * know no more than the service that started it: whichever says most counts.
 */
export function ownerByGroup(text: string): Owner | null {
  const groups = text.split("\n").map((line) => line.split(":").slice(2).join(":").split("/").map(unescaped));
  for (const ownerIn of [virtualMachine, container, pod, unit]) {
    for (const parts of groups) {
      const owner = ownerIn(parts);
      if (owner !== null) return owner;
    }
  }
  return null;
}

function virtualMachine(parts: readonly string[]): Owner | null {
  for (const part of parts) {
    // libvirt: machine-qemu-3-web-01.scope, with the number of the start before the domain's name.
    const domain = /^machine-(?:qemu|lxc|xen|ch)-\d+-(.+)\.scope$/.exec(part)?.[1];
    // And without systemd-machined: web-01.libvirt-qemu, or qemu-3-web-01.libvirt-qemu.
    const own = /^(?:(?:qemu|lxc)-\d+-)?(.+)\.libvirt-(?:qemu|lxc)$/.exec(part)?.[1];
    const name = domain ?? own;
    if (name !== undefined) return { kind: "domain", name, pod: null };
    const machine =
      /^machine-(.+)\.scope$/.exec(part)?.[1] ?? /^systemd-nspawn@(.+)\.service$/.exec(part)?.[1];
    if (machine !== undefined) return { kind: "machine", name: machine, pod: null };
  }
  // Proxmox: /qemu.slice/101.scope
  const slice = parts.indexOf("qemu.slice");
  const number = /^(\d+)\.scope$/.exec(parts[slice + 1] ?? "")?.[1];
  return slice !== -1 && number !== undefined ? { kind: "machine", name: number, pod: null } : null;
}

function container(parts: readonly string[]): Owner | null {
  const uid = podOf(parts);
  for (const part of parts.toReversed()) {
    // docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, crio-ID.scope, kata_ID, or the bare ID.
    const id = /(?:^|[-:_])([0-9a-f]{64})(?:\.scope)?$/.exec(part)?.[1];
    if (id !== undefined) return { kind: "container", name: id.slice(0, 12), pod: uid };
    const lxc = /^lxc\.payload\.(.+)$/.exec(part)?.[1];
    if (lxc !== undefined) return { kind: "container", name: lxc, pod: null };
  }
  const below = parts.findIndex((part) => part === "lxc" || part === "lxc.payload");
  const name = parts[below + 1];
  return below !== -1 && name !== undefined && name !== "" ? { kind: "container", name, pod: null } : null;
}

/** The UID of a pod: of one from a file, a hash. */
function podOf(parts: readonly string[]): string | null {
  for (const part of parts) {
    const uid = /(?:^|-)pod([0-9a-f]{8}[_-][0-9a-f_-]{27}|[0-9a-f]{32})(?:\.slice)?(?:$|:)/.exec(part)?.[1];
    if (uid !== undefined) return uid.replaceAll("_", "-");
  }
  return null;
}

/** A virtual machine monitor beside its containers, as Kata's is, may be in the pod's own group. */
function pod(parts: readonly string[]): Owner | null {
  const uid = podOf(parts);
  return uid === null ? null : { kind: "pod", name: uid, pod: uid };
}

/** The innermost unit: a user's own services lie below `user@1000.service`. */
function unit(parts: readonly string[]): Owner | null {
  const name = parts.findLast((part) => /^.+\.(?:service|scope)$/.test(part));
  return name === undefined ? null : { kind: "unit", name, pod: null };
}

/** systemd writes what has no place in a unit's name as `\x2d`. */
function unescaped(part: string): string {
  return part.replaceAll(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** QEMU's `-name web-01` or `-name guest=web-01,debug-threads=on`, and Firecracker's `--id web-01`, which its jailer gives it. */
export function ownerByArguments(words: readonly string[]): Owner | null {
  if (/(?:^|\/)firecracker[^/]*$/.test(words[0] ?? "")) return firecrackerOf(words);
  if (!/(?:^|\/)(?:qemu|kvm)[^/]*$/.test(words[0] ?? "")) return null;
  const at = words.findIndex((word) => word === "-name" || word === "--name");
  const value = at === -1 ? undefined : words[at + 1];
  if (value === undefined) return null;
  // QEMU doubles a comma that is part of a value.
  const options = value.split(/(?<!,),(?!,)/).map((option) => option.replaceAll(",,", ","));
  const named = options.find((option) => option.startsWith("guest="))?.slice("guest=".length);
  const name = named ?? (options[0]?.includes("=") === true ? undefined : options[0]);
  return name === undefined || name === "" ? null : { kind: "machine", name, pod: null };
}

function firecrackerOf(words: readonly string[]): Owner | null {
  const at = words.findIndex((word) => /^--id(?:=|$)/.test(word));
  const word = words[at] ?? "";
  const name = word.includes("=") ? word.slice("--id=".length) : (words[at + 1] ?? "");
  return at === -1 || name === "" ? null : { kind: "machine", name, pod: null };
}
