/** A recorded machine from a few words: devices, their files, and the processes that map them. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { recordFiles } from "../vfio/sysfs/machine.fixture.ts";

/** A PCI function. */
export interface Function {
  readonly bdf: string;
  readonly driver?: string | null;
  readonly group?: number | null;
  /** `vfio0`: its folder below `vfio-dev`, with a character device. */
  readonly cdev?: string;
  /** Address and size of each BAR; null for an absent one. */
  readonly bars: readonly (readonly [address: bigint, size: bigint] | null)[];
}

export interface Process {
  readonly comm?: string;
  /** Lines of maps. */
  readonly maps: readonly string[];
  readonly fds?: readonly string[];
  /** `fdinfo` by the number of the file. */
  readonly fdinfo?: Readonly<Record<number, string>>;
  /** Lines of status beside the name. */
  readonly status?: string;
  readonly smaps?: string;
  /** Further files below the process. */
  readonly files?: Readonly<Record<string, string | null>>;
}

export interface MachineOf {
  readonly kernel: string;
  readonly arch?: string;
  /** `hpage_pmd_size`. */
  readonly pmdSize?: number;
  readonly thp?: "always" | "madvise" | "never";
  readonly functions?: readonly Function[];
  readonly processes?: Readonly<Record<number, Process>>;
  /** Further files below sys and proc. */
  readonly sys?: Readonly<Record<string, string | Uint8Array | null>>;
  readonly proc?: Readonly<Record<string, string | null>>;
}

const MIB = 1024 * 1024;

/** Writes the machine into a folder of its own, which the test's end takes away. */
export function machineOf(test: Pick<TestContext, "after">, machine: MachineOf): MachineRoots {
  const root = mkdtempSync(join(tmpdir(), "hugebar-machine-of-"));
  test.after(() => rmSync(root, { recursive: true }));
  const thp = machine.thp ?? "always";
  const words = ["always", "madvise", "never"].map((word) => (word === thp ? `[${word}]` : word)).join(" ");
  recordFiles(root, {
    "proc/sys/kernel/osrelease": `${machine.kernel}\n`,
    "proc/sys/kernel/arch": `${machine.arch ?? "x86_64"}\n`,
    "sys/kernel/mm/transparent_hugepage/enabled": `${words}\n`,
    "sys/kernel/mm/transparent_hugepage/hpage_pmd_size": `${machine.pmdSize ?? 2 * MIB}\n`,
  });
  for (const each of machine.functions ?? []) recordFiles(join(root, "sys"), filesOf(each));
  for (const [pid, process] of Object.entries(machine.processes ?? {})) {
    recordFiles(join(root, "proc", pid), filesOfProcess(process));
  }
  recordFiles(join(root, "sys"), machine.sys ?? {});
  recordFiles(join(root, "proc"), machine.proc ?? {});
  return { proc: join(root, "proc"), sys: join(root, "sys") };
}

function filesOf({ bdf, driver = "vfio-pci", group = 1, cdev, bars }: Function): Record<string, string> {
  const home = `devices/pci${bdf.slice(0, bdf.indexOf(":"))}:00/${bdf}`;
  const lines = Array.from({ length: 13 }, (_, index) => lineOf(bars[index] ?? null));
  return {
    [`bus/pci/devices/${bdf}`]: `-> ../../../${home}`,
    [`${home}/vendor`]: "0x10de\n",
    [`${home}/device`]: "0x2331\n",
    [`${home}/class`]: "0x030200\n",
    [`${home}/resource`]: `${lines.join("\n")}\n`,
    ...(driver === null ? {} : { [`${home}/driver`]: `-> ../../../bus/pci/drivers/${driver}` }),
    ...(group === null
      ? {}
      : {
          [`${home}/iommu_group`]: `-> ../../../kernel/iommu_groups/${group}`,
          [`kernel/iommu_groups/${group}/devices/${bdf}`]: `-> ../../../../${home}`,
        }),
    ...(cdev === undefined
      ? {}
      : {
          [`${home}/vfio-dev/${cdev}/dev`]: "511:0\n",
          [`class/vfio-dev/${cdev}`]: `-> ../../${home}/vfio-dev/${cdev}`,
        }),
  };
}

/** Memory of 64 bits, prefetchable. */
function lineOf(bar: readonly [bigint, bigint] | null): string {
  if (bar === null) return `${hex(0n)} ${hex(0n)} ${hex(0n)}`;
  const [address, size] = bar;
  return `${hex(address)} ${hex(address + size - 1n)} ${hex(0x14220cn)}`;
}

function hex(value: bigint): string {
  return `0x${value.toString(16).padStart(16, "0")}`;
}

function filesOfProcess(process: Process): Record<string, string | null> {
  const { comm = "own-program", maps, fds = [], fdinfo = {}, smaps } = process;
  return {
    comm: `${comm}\n`,
    maps: maps.map((line) => `${line}\n`).join(""),
    status: `Name:\t${comm}\n${process.status ?? "VmPTE:\t120 kB\nTHP_enabled:\t1\n"}`,
    fd: null,
    ...Object.fromEntries(fds.map((target, index) => [`fd/${index + 3}`, `-> ${target}`])),
    ...Object.fromEntries(Object.entries(fdinfo).map(([fd, text]) => [`fdinfo/${fd}`, text])),
    ...(smaps === undefined ? {} : { smaps }),
    ...process.files,
  };
}
