/** Machines of the same kinds as those of people who do this job: other kernels and architectures. */

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { diagnose } from "./doctor.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";
import { machineOf, type Function, type MachineOf } from "./machine-of.fixture.ts";
import { A, GIB, GROUP, KIB, MIB, adviceIn, line, region, rowsOf, told, whose } from "./told-rows.fixture.ts";

const POWER: MachineOf = {
  kernel: "6.12.107+deb13-powerpc64le-64k",
  arch: "ppc64le",
  functions: [
    {
      bdf: "0030:01:00.0",
      bars: [[0x6200_0000_0000n, 4n * KIB], null, [0x6210_0000_0000n, 16n * GIB]],
    },
  ],
  processes: {
    1: {
      comm: "qemu-system-ppc",
      maps: [line(A, 64n * KIB, 0n, GROUP), line(A + GIB, 16n * GIB, region(2), GROUP)],
      fds: ["/dev/vfio/1", GROUP],
    },
  },
};

describe("a machine of ppc64", () => {
  it("has pages of a size that its huge pages do not tell", (test) => {
    // Radix tables have PMDs of 2 MiB with pages of 4 and of 64 KiB alike.
    const smaps = "7fff0000-7fff1000 r--p 00000000 00:00 0\nKernelPageSize:       64 kB\n";
    const process = { maps: [], smaps };
    for (const machine of [
      POWER,
      { ...POWER, kernel: "7.2.0", processes: { ...POWER.processes, 2: process } },
    ]) {
      const rows = rowsOf(test, machine);
      assert.deepEqual(rows.map(whose), ["0030:01:00.0 0 0", "0030:01:00.0 2 0"], machine.kernel);
    }
    const [row] = rowsOf(test, { ...POWER, kernel: "7.2.0" });
    assert.equal(row?.best, null, "nothing says which");
  });

  it("has no huge pages for device memory before 7.2, and is told so", (test) => {
    assert.match(adviceIn(rowsOf(test, POWER)), /base pages only: use Linux 7\.2 or newer$/);
    const findings = diagnose(machineOf(test, POWER)).findings;
    const todos = findings.map(({ todo }) => todo).join("\n");
    assert.doesNotMatch(todos, /Linux 6\.1[25] or/);
    assert.doesNotMatch(findings.map(({ text }) => text).join("\n"), /for DMA/, "its IOMMU is not type1's");
  });
});

describe("where no huge leaf fits", () => {
  it("nothing is better than what is", (test) => {
    // 2 MiB at a multiple of 2 MiB, of memory that is 15 MiB past one.
    const [row] = rowsOf(test, {
      kernel: "6.12.80",
      processes: { 1: { maps: [line(A, 2n * MIB, 0xd0f0_0000n, "/dev/mem")] } },
    });
    assert.equal(row?.verdict, "huge");
    assert.deepEqual(row.best, row.now);
  });
});

describe("wrong memory", () => {
  it("hangs on the gate where that is not known", (test) => {
    const of = (smaps: string | undefined): readonly InspectedMapping[] =>
      rowsOf(test, {
        kernel: "6.12.9",
        thp: "madvise",
        functions: [{ bdf: "0000:65:00.0", bars: [null, [0x380_0000_0000n, 256n * MIB]] }],
        processes: {
          1: {
            maps: [line(A + MIB, 256n * MIB, region(1), GROUP)],
            fds: ["/dev/vfio/1", GROUP],
            ...(smaps === undefined ? {} : { smaps }),
          },
        },
      });
    const rows = of(undefined);
    assert.deepEqual(rows.map(told), ["unknown wrong-memory advice-unknown misaligned"]);
    assert.match(adviceIn(rows), /and where it gives this one any, the program/);
    const start = line(A + MIB, 256n * MIB, region(1), GROUP);
    const advised = of(`${start}\nTHPeligible:           0\nVmFlags: rd wr sh mr mw me ms io de dd hg\n`);
    assert.match(advised.map(told).join(), /^wrong wrong-memory/);
    assert.match(adviceIn(advised), /so that the program reads and writes in the wrong place/);
  });

  it("is no first thing to say of a kernel that may have no huge pages at all", (test) => {
    const of = (kernel: string): readonly InspectedMapping[] =>
      rowsOf(test, {
        kernel,
        functions: [{ bdf: "0000:65:00.0", bars: [null, [0x380_0000_0000n, 256n * MIB]] }],
        processes: {
          1: { maps: [line(A + MIB, 256n * MIB, region(1), GROUP)], fds: ["/dev/vfio/1", GROUP] },
        },
      });
    const ubuntu = of("6.8.0-87-generic");
    assert.deepEqual(ubuntu.map(told), ["unknown kernel-unknown wrong-memory misaligned"]);
    assert.match(
      adviceIn(ubuntu),
      /whether its distribution has brought huge pages .* to it, and if so that/,
    );
    const redHat = of("6.12.0-55.9.1.el10_0.x86_64");
    assert.match(redHat.map(told).join(), /^unknown wrong-memory/);
    assert.match(adviceIn(redHat), /whether its distribution has taken up that/);
  });
});

const GPU: Function = {
  bdf: "0000:65:00.0",
  group: 3,
  cdev: "vfio0",
  bars: [null, [0x380_0000_0000n, 256n * MIB]],
};
const WHOLE = line(A, 256n * MIB, region(1), GROUP);

describe("what the kernel says", () => {
  it("counts for more than its name, also where the name would do", (test) => {
    const of = (kernel: string, eligible: 0 | 1, flags: string): readonly InspectedMapping[] =>
      rowsOf(test, {
        kernel,
        thp: "never",
        functions: [GPU],
        processes: {
          1: {
            maps: [WHOLE],
            fds: ["/dev/vfio/3", GROUP],
            smaps: `${WHOLE}\nTHPeligible:           ${eligible}\nVmFlags: rd wr sh mr mw me ms io de dd ${flags}\n`,
          },
        },
      });
    // A company's own kernel, its changes not in its name.
    assert.deepEqual(
      of("6.12.107", 1, "hg").map(({ verdict, source }) => [verdict, source]),
      [["huge", "THPeligible"]],
    );
    assert.deepEqual(
      of("6.12.107", 0, "hg").map(({ verdict, source }) => [verdict, source]),
      [["small", "THPeligible"]],
    );
  });
});

describe("VmPTE", () => {
  const of = (kernel: string, vmPte: number, vmSize: number): readonly InspectedMapping[] =>
    rowsOf(test_, {
      kernel,
      functions: [GPU],
      processes: {
        1: {
          comm: "qemu-system-x86",
          maps: [line(0x5000_0000n, MIB, 0n, "/usr/bin/qemu-system-x86_64"), WHOLE],
          fds: ["/dev/vfio/3", GROUP],
          status: `VmSize:\t${vmSize} kB\nVmPTE:\t${vmPte} kB\nTHP_enabled:\t1\n`,
        },
      },
    });
  let test_: TestContext;

  it("proves base pages where a block's leaf hangs on the order of touches", (test) => {
    test_ = test;
    const whole = 257 * 1024;
    for (const kernel of ["6.14.3", "6.14.0-24-generic", "6.12.0-124.8.1.el10_1.x86_64"]) {
      const [row] = of(kernel, 600, whole);
      assert.deepEqual([row?.verdict, row?.source], ["small", "VmPTE"], kernel);
      assert.deepEqual(
        row?.reasons.map(({ code }) => code),
        ["touch-order"],
      );
      assert.equal(of(kernel, 300, whole)[0]?.verdict, "unknown", "so few may be another's");
    }
    assert.equal(of("6.8.0-87-generic", 600, whole)[0]?.verdict, "small");
  });

  it("proves nothing of maps that are not whole", (test) => {
    test_ = test;
    assert.equal(of("6.8.0-87-generic", 600, 258 * 1024)[0]?.verdict, "unknown");
  });
});
