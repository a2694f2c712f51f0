/** The facts of a machine that decide about huge leaves, from its /proc and /sys, live or recorded. */

import { join } from "node:path";
import { modelFor, type PagingModel } from "../../layout/paging.ts";
import { MIB } from "../../layout/sizes.ts";
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
  /** Bytes; null where it cannot be found out. */
  readonly pageSize: number | null;
  /** Null for an architecture or a page size without a paging model. */
  readonly model: PagingModel | null;
}

/** Reads what there is to know; what cannot be read is null or empty, never an error. */
export function readMachine(roots: MachineRoots): Machine {
  const kernel = readTextOrNull(join(roots.proc, "sys/kernel/osrelease"))?.trim() ?? "";
  const arch = readArch(roots, kernel);
  const pmdSize = readPmdSize(roots);
  const pageSize = readPageSize(roots, kernel, arch, pmdSize);
  const mm = listFolder(join(roots.sys, "kernel/mm"));
  return {
    roots,
    kernel,
    kernelVersion: versionOf(kernel),
    arch,
    thp: readThp(roots),
    withoutThp: mm.length > 0 && !mm.includes("transparent_hugepage"),
    pageSize,
    model: pageSize === null ? null : modelFor(arch, pageSize, pmdSize),
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
  const named = ARCH_NAMES.find(([name]) => name.test(kernel))?.[1];
  if (named !== undefined) return named;
  const cpu = readTextOrNull(join(proc, "cpuinfo"), 4096) ?? "";
  if (/^flags\s*:.*\blm\b/m.test(cpu)) return "x86_64";
  return /^CPU implementer\s*:/m.test(cpu) && /^CPU architecture\s*:\s*8/m.test(cpu) ? "aarch64" : "";
}

const ARCH_NAMES: readonly (readonly [RegExp, string])[] = [
  [/x86_64|amd64/, "x86_64"],
  [/aarch64|arm64/, "aarch64"],
  [/ppc64(?:le|el)|powerpc64le/, "ppc64le"],
  [/riscv64/, "riscv64"],
  [/s390x/, "s390x"],
];

/** What transparent huge pages are of, in bytes; null on a kernel without them. */
function readPmdSize({ sys }: MachineRoots): number | null {
  const text = readTextOrNull(join(sys, "kernel/mm/transparent_hugepage/hpage_pmd_size"))?.trim() ?? "";
  return /^[1-9]\d{3,14}$/.test(text) ? Number(text) : null;
}

/**
 * The page size, without a system call, so that it is also known of a recorded machine. smaps tells that of each mapping
 * (hugetlb's are no base pages). On x86 there is one; on arm64 a PMD maps one page full of eight-byte entries: 2 MiB are
 * 512 pages of 4 KiB, 512 MiB are 8,192 pages of 64 KiB. On ppc64 2 MiB may be of either (radix), 16 MiB are of 64 KiB (hash).
 */
function readPageSize(
  { proc }: MachineRoots,
  kernel: string,
  arch: string,
  pmdSize: number | null,
): number | null {
  if (/^(?:x86_64|i[3-6]86|riscv64|s390x)$/.test(arch)) return 4096;
  const byPmd = pageSizeByPmd(arch, pmdSize);
  if (arch === "aarch64" && byPmd !== undefined) return byPmd;
  return pageSizeBySmaps(proc) ?? byPmd ?? pageSizeByName(kernel) ?? null;
}

/** A machine that others recorded may have smaps of its processes, and none of whoever recorded it. */
function pageSizeBySmaps(proc: string): number | undefined {
  const text = (pid: string): string => readTextOrNull(join(proc, pid, "smaps"), 16 * 1024) ?? "";
  const own = text("self");
  const smaps =
    own === "" ? (listFolder(proc).filter(isPid).slice(0, MOST_ASKED).map(text).find(Boolean) ?? "") : own;
  const kib = new Set([...smaps.matchAll(/^KernelPageSize:\s*(\d{1,9}) kB$/gm)].map((match) => match[1]));
  return PAGE_SIZES.find((size) => kib.has(String(size / 1024)));
}

/** Of processes whose smaps are looked for. */
const MOST_ASKED = 64;

function isPid(name: string): boolean {
  return /^\d{1,10}$/.test(name);
}

/** Kernels built for other pages than their architecture's usual ones say so: `6.12.107+deb13-powerpc64le-64k`. */
function pageSizeByName(kernel: string): number | undefined {
  return /[-+]64k$/.test(kernel) ? 65536 : undefined;
}

function pageSizeByPmd(arch: string, pmdSize: number | null): number | undefined {
  if (arch.startsWith("ppc64")) return pmdSize === 16 * MIB ? 65536 : undefined;
  return PAGE_SIZES.find((size) => (size * size) / 8 === pmdSize);
}

const PAGE_SIZES = [4096, 16384, 65536];
