/** The facts of a machine that decide about huge leaves, from its /proc and /sys, live or recorded. */

import { join } from "node:path";
import { modelFor, type PagingModel } from "../../layout/paging.ts";
import type { MachineRoots } from "../../vfio/device-uses.ts";
import { listFolder, readTextOrNull } from "./read-file.ts";

/** The machine hugebar runs on. */
export const LIVE: MachineRoots = { proc: "/proc", sys: "/sys" };

export interface Machine {
  readonly roots: MachineRoots;
  /** `uname -r`; empty where it cannot be read. */
  readonly kernel: string;
  /** Major version × 1000 + minor version: 6012 is Linux 6.12. 0 where it cannot be read. */
  readonly kernelVersion: number;
  /** `x86_64`, `aarch64`, … as `uname -m` prints it; empty where it cannot be found out. */
  readonly arch: string;
  /** The word in brackets of transparent_hugepage/enabled; null where it cannot be read. */
  readonly thp: "always" | "madvise" | "never" | null;
  /** The kernel was built without transparent huge pages, and so without huge leaves for device memory. */
  readonly withoutThp: boolean;
  /** Null for an architecture or a page size without a paging model. */
  readonly model: PagingModel | null;
}

/** Reads what there is to know; what cannot be read is null or empty, never an error. */
export function readMachine(roots: MachineRoots): Machine {
  const kernel = readTextOrNull(join(roots.proc, "sys/kernel/osrelease"))?.trim() ?? "";
  const arch = readArch(roots, kernel);
  const pageSize = readPageSize(roots);
  const nodeArch = { x86_64: "x64", aarch64: "arm64" }[arch];
  const mm = listFolder(join(roots.sys, "kernel/mm"));
  return {
    roots,
    kernel,
    kernelVersion: versionOf(kernel),
    arch,
    thp: readThp(roots),
    withoutThp: mm.length > 0 && !mm.includes("transparent_hugepage"),
    model: nodeArch === undefined || pageSize === null ? null : modelFor(nodeArch, pageSize),
  };
}

function versionOf(kernel: string): number {
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})/.exec(kernel) ?? [];
  return Number(major ?? 0) * 1000 + Number(minor ?? 0);
}

function readThp({ sys }: MachineRoots): Machine["thp"] {
  const text = readTextOrNull(join(sys, "kernel/mm/transparent_hugepage/enabled")) ?? "";
  const word = /\[(\w+)\]/.exec(text)?.[1];
  return word === "always" || word === "madvise" || word === "never" ? word : null;
}

/** `/proc/sys/kernel/arch` (since Linux 6.1), else what the release ends with (Debian, Ubuntu, Red Hat, SUSE). */
function readArch({ proc }: MachineRoots, kernel: string): string {
  const told = readTextOrNull(join(proc, "sys/kernel/arch"))?.trim();
  if (told !== undefined && told !== "") return told;
  if (/(?:x86_64|amd64)/.test(kernel)) return "x86_64";
  if (/(?:aarch64|arm64)/.test(kernel)) return "aarch64";
  const cpu = readTextOrNull(join(proc, "cpuinfo"), 4096) ?? "";
  if (/^flags\s*:.*\blm\b/m.test(cpu)) return "x86_64";
  return /^CPU implementer\s*:/m.test(cpu) && /^CPU architecture\s*:\s*8/m.test(cpu) ? "aarch64" : "";
}

/**
 * The page size, without a system call, so that it is also known of a recorded machine. A PMD maps one page full of
 * eight-byte entries: 2 MiB are 512 pages of 4 KiB, 512 MiB are 8,192 pages of 64 KiB.
 */
function readPageSize({ proc, sys }: MachineRoots): number | null {
  const pmd = Number(
    readTextOrNull(join(sys, "kernel/mm/transparent_hugepage/hpage_pmd_size")) ?? Number.NaN,
  );
  const byPmd = PAGE_SIZES.find((size) => (size * size) / 8 === pmd);
  if (byPmd !== undefined) return byPmd;
  // A kernel without transparent huge pages: smaps tells the page size of each mapping; hugetlb's are no base pages.
  const smaps = readTextOrNull(join(proc, "self/smaps"), 16 * 1024) ?? "";
  const kib = new Set([...smaps.matchAll(/^KernelPageSize:\s*(\d{1,9}) kB$/gm)].map((match) => match[1]));
  return PAGE_SIZES.find((size) => kib.has(String(size / 1024))) ?? null;
}

const PAGE_SIZES = [4096, 16384, 65536];
