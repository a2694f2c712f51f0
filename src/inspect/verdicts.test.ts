import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { inspectMachine } from "./inspect.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";

const MACHINES = new URL("../../test/machines/", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "hugebar-verdicts-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

function rowsOf(folder: string): readonly InspectedMapping[] {
  const { processes } = inspectMachine({ proc: join(folder, "proc"), sys: join(folder, "sys") });
  return processes.flatMap(({ mappings }) => mappings);
}

function told({ verdict, source, reasons }: InspectedMapping): string {
  return [verdict, source, ...reasons.map(({ code }) => code)].join(" ");
}

/** Nothing unknown is a number, and what is known is one. */
function checkFigures({ verdict, now, between }: InspectedMapping): void {
  const isKnown = verdict !== "unknown" && verdict !== "wrong";
  assert.equal(now !== null, isKnown);
  assert.equal(between === null, isKnown);
}

describe("the verdict on machines of people who do this job", () => {
  it("is small where the file offset shows a kernel without huge faults, whatever its name says", () => {
    const rows = rowsOf(`${MACHINES}kata-7xh100`);
    assert.equal(rows.length, 21);
    rows.forEach(checkFigures);
    assert.deepEqual([...new Set(rows.map(told))], ["small file-offset no-huge-pfnmap"]);
    const large = rows.filter(({ identity }) => identity.region === 2);
    assert.deepEqual(
      large.map(({ identity: { device, regionSize } }) => [device, regionSize]),
      ["18", "28", "38", "48", "58", "68", "78"].map((bus) => [`0000:${bus}:00.0`, 2 ** 37]),
    );
  });

  it("is small for nvgrace-gpu's memory before Linux 6.19", () => {
    const rows = rowsOf(`${MACHINES}nvgrace-6.12.107`);
    assert.deepEqual(rows.map(told), ["small version no-huge-pfnmap"]);
  });

  it("is small for uio, whatever the device is", () => {
    const rows = rowsOf(`${MACHINES}uio-not-pci`);
    assert.ok(rows.length >= 3);
    for (const row of rows) {
      // A single page is as good as it gets.
      const isPage = row.vmas.every(({ size }) => size === 4096);
      assert.equal(told(row), isPage ? "huge version" : "small version no-huge-pfnmap");
    }
  });

  it("names a kernel that maps wrong memory, and does not take for huge what hangs on the order of touches", () => {
    const of = (machine: string): string => {
      const [row, ...others] = rowsOf(`${MACHINES}huge-pfnmap-regressions/${machine}`);
      assert.ok(row !== undefined && others.length === 0);
      checkFigures(row);
      assert.ok(row.between !== null && row.between[0].faults < row.between[1].faults);
      return told(row);
    };
    assert.equal(of("6.12.5-misaligned"), "wrong version wrong-memory misaligned");
    assert.equal(of("6.13.0-rc3-misaligned"), "wrong version wrong-memory misaligned");
    assert.equal(of("6.12.12-aligned"), "unknown version touch-order");
    assert.equal(of("6.14.3-aligned"), "unknown version touch-order");
    assert.equal(of("6.12.0-55.9.1.el10_0.x86_64-aligned"), "unknown version touch-order");
  });
});

describe("the verdict on a distribution's kernel", () => {
  interface Said {
    readonly kernel: string;
    readonly setting?: string;
    readonly eligible?: 0 | 1;
    readonly flags?: string;
    readonly thpEnabled?: 0 | 1;
    readonly vmPteKib?: number;
    readonly vmSizeKib?: number;
    readonly mappings?: number;
    readonly command?: string;
  }

  /** A BAR of 64 GiB, aligned, in a process of which the kernel says this. */
  function rowOf(said: Said): InspectedMapping {
    const { kernel, setting = "madvise", eligible, flags = "", thpEnabled = 1, vmPteKib = 120 } = said;
    const folder = mkdtempSync(join(scratch, "machine-"));
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    const write = (path: string, text: string): void => writeFileSync(join(folder, path), text);
    write("proc/sys/kernel/osrelease", `${kernel}\n`);
    write(
      "sys/kernel/mm/transparent_hugepage/enabled",
      "always madvise never\n".replace(setting, `[${setting}]`),
    );
    for (const pid of ["2100", "2111"]) rmSync(join(folder, "proc", pid), { recursive: true });
    const line =
      "7f4000000000-7f5000000000 rw-s 10000000000 00:11 122                     anon_inode:[vfio-device]\n";
    write("proc/2072/maps", line);
    if (eligible !== undefined) {
      write(
        "proc/2072/smaps",
        `${line}Size: 67108864 kB\nTHPeligible:    ${eligible}\nVmFlags: rd wr sh mr mw me ms ${flags} \n`,
      );
    }
    const size = said.vmSizeKib === undefined ? "" : `VmSize:\t${said.vmSizeKib} kB\n`;
    write("proc/2072/status", `Name:\tqemu\n${size}VmPTE:\t${vmPteKib} kB\nTHP_enabled:\t${thpEnabled}\n`);
    if (said.command !== undefined) write("proc/2072/comm", `${said.command}\n`);
    if (said.mappings !== undefined) write("proc/2072/mappings", `${said.mappings}\n`);
    const rows = rowsOf(folder);
    assert.equal(rows.length, 1, readFileSync(join(folder, "proc/2072/maps"), "utf8"));
    const [row = assert.fail()] = rows;
    checkFigures(row);
    return row;
  }

  it("is the kernel's own, whatever the name leaves open", () => {
    for (const kernel of [
      "6.8.0-87-generic",
      "5.14.0-570.12.1.el9_6.x86_64",
      "6.1.158-178.288.amzn2023.x86_64",
    ]) {
      assert.equal(told(rowOf({ kernel })), "unknown version kernel-unknown touch-order");
      assert.equal(told(rowOf({ kernel, eligible: 0 })), "small THPeligible no-huge-pfnmap");
      assert.equal(told(rowOf({ kernel, eligible: 0, flags: "hg" })), "small THPeligible no-huge-pfnmap");
    }
    assert.equal(
      told(rowOf({ kernel: "6.17.0-1014-nvidia", command: "other" })),
      "unknown version advice-unknown",
    );
    // Which QEMU gives.
    assert.equal(told(rowOf({ kernel: "6.17.0-1014-nvidia" })), "huge version");
    assert.equal(told(rowOf({ kernel: "6.17.0-1014-nvidia", eligible: 1 })), "huge THPeligible");
    assert.equal(told(rowOf({ kernel: "6.17.0-1014-nvidia", eligible: 0 })), "small THPeligible thp-gate");
    assert.equal(told(rowOf({ kernel: "6.18.54-200.fc43.x86_64", eligible: 1 })), "huge THPeligible");
    assert.equal(told(rowOf({ kernel: "6.14.8-2-pve", eligible: 1 })), "huge THPeligible");
  });

  it("sees by smaps alone what advice and the process closed", () => {
    const kernel = "7.3.4";
    assert.equal(told(rowOf({ kernel })), "huge version");
    assert.equal(told(rowOf({ kernel, eligible: 1 })), "huge THPeligible");
    assert.equal(told(rowOf({ kernel, eligible: 0, flags: "nh" })), "small THPeligible advice-never");
    // Status says it, and smaps is not read for it.
    assert.equal(told(rowOf({ kernel, eligible: 0, thpEnabled: 0 })), "small THPeligible thp-process");
    // Except where advised: status says nothing of it.
    assert.equal(told(rowOf({ kernel, eligible: 0 })), "small THPeligible thp-process");
  });

  it("is small where the process has more page tables than all else could take", () => {
    const size = 64 * 2 ** 20;
    // Tables of 64 GiB in base pages are 128.25 MiB.
    const of = (vmPteKib: number, kernel = "6.17.0-1014-nvidia", more: Partial<Said> = {}): string =>
      told(
        rowOf({ kernel, setting: "never", vmPteKib, vmSizeKib: size + 4 * 2 ** 20, mappings: 300, ...more }),
      );
    assert.equal(of(12_000), "unknown version kernel-unknown");
    assert.equal(of(140_000), "small VmPTE no-huge-pfnmap");
    assert.equal(of(140_000, "6.17.0-1014-nvidia", { mappings: 30_000 }), "unknown version kernel-unknown");
    // Where leaves may be of both kinds, as many as there can be prove it.
    assert.equal(of(140_000, "6.8.0-87-generic"), "unknown version kernel-unknown touch-order");
    assert.equal(of(155_000, "6.8.0-87-generic"), "small VmPTE no-huge-pfnmap");
  });
});

describe("the verdict on other architectures", () => {
  const line = "7f4000000000-7f5000000000 rw-s 10000000000 00:11 122 anon_inode:[vfio-device]\n";

  interface Of {
    readonly kernel: string;
    readonly arch: string | null;
    readonly pageKib?: number;
  }

  /** A BAR of 64 GiB, aligned. */
  function rowOn({ kernel, arch, pageKib = 4 }: Of): InspectedMapping {
    const folder = mkdtempSync(join(scratch, "arch-"));
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    for (const pid of ["2072", "2111", "2100"]) {
      writeFileSync(join(folder, "proc", pid, "maps"), pid === "2072" ? line : "");
    }
    writeFileSync(join(folder, "proc/sys/kernel/osrelease"), `${kernel}\n`);
    if (arch === null) rmSync(join(folder, "proc/sys/kernel/arch"));
    else writeFileSync(join(folder, "proc/sys/kernel/arch"), `${arch}\n`);
    mkdirSync(join(folder, "proc/self"), { recursive: true });
    writeFileSync(join(folder, "proc/self/smaps"), `KernelPageSize: ${pageKib} kB\n`);
    const [row = assert.fail(), ...others] = rowsOf(folder);
    assert.equal(others.length, 0);
    return row;
  }

  it("is by their own leaves and tables", () => {
    const riscv = rowOn({ kernel: "7.3.4", arch: "riscv64" });
    assert.deepEqual([told(riscv), riscv.now?.leaves], ["huge version", [{ size: 2 ** 30, count: 64 }]]);
    assert.equal(told(rowOn({ kernel: "6.12.107", arch: "riscv64" })), "small version no-huge-pfnmap");
    const power = rowOn({ kernel: "7.3.4", arch: "ppc64le", pageKib: 64 });
    assert.deepEqual([told(power), power.now?.leaves], ["huge version", [{ size: 2 ** 30, count: 64 }]]);
    const old = rowOn({ kernel: "6.12.107", arch: "ppc64le", pageKib: 64 });
    assert.equal(told(old), "small version no-huge-pfnmap");
    // 32,768 PTE tables of 256 bytes, and a PMD table of 4 KiB for each gigabyte.
    assert.deepEqual([old.now?.faults, old.now?.pageTableBytes], [2 ** 20, 32_768 * 256 + 64 * 4096]);
  });

  it("is base pages where no kernel has anything else, or this one has not, whatever the page tables", () => {
    for (const of of [
      { kernel: "7.3.4", arch: "loongarch64", pageKib: 16 },
      { kernel: "7.3.4", arch: "s390x" },
      { kernel: "6.6.120", arch: "armv7l" },
      { kernel: "7.3.4", arch: "i686" },
      { kernel: "6.12.117+deb13-686-pae", arch: "i586" },
      { kernel: "5.15.190", arch: null },
    ]) {
      const row = rowOn(of);
      assert.equal(told(row), "small version no-huge-pfnmap", of.kernel);
      const size = (of.pageKib ?? 4) * 1024;
      assert.deepEqual(row.now?.leaves, [{ size, count: 2 ** 36 / size }]);
      assert.deepEqual([row.best, row.between], [null, null]);
    }
    // Its page tables are not known.
    assert.equal(rowOn({ kernel: "7.3.4", arch: "s390x" }).now?.pageTableBytes, null);
    const x86 = rowOn({ kernel: "6.6.120", arch: "x86_64" });
    assert.deepEqual([told(x86), x86.now?.faults], ["small version no-huge-pfnmap", 2 ** 24]);
  });
});
