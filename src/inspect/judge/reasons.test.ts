import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { programs } from "../../rules/program.ts";
import type { ReasonFacts } from "./reason-facts.ts";
import { adviceOf, REASONS } from "./reasons.ts";
import { TABLE_REASONS, tableReason } from "./tables-reasons.ts";

const facts: ReasonFacts = {
  kernel: "6.12.107",
  thp: "madvise",
  miss: "0x1ff000 past a 2 MiB boundary",
  withoutThp: false,
  program: "qemu",
  command: "qemu-system-x86",
  advised: true,
  needsRegion: true,
  reachedRounded: false,
  needsPhysical: false,
  alignment: 2 ** 30,
  device: "0000:01:00.0",
  isPci: true,
  obstacle: null,
  couldBe: [],
  blind: false,
  pieces: 2,
  path: "vfio",
  driver: "vfio-pci",
  arch: "x86_64",
  isWrong: true,
  handler: { mapsWrongMemory: true, dependsOnOrder: true },
};

describe("the reasons", () => {
  it("are those that docs/inspect.md lists", () => {
    const manual = readFileSync(new URL("../../../docs/inspect.md", import.meta.url), "utf8");
    const [, section = ""] = manual.split("\n## Verdicts\n");
    const listed = [...section.matchAll(/^\| `(?<code>[a-z-]+)` \|/gm)].map(({ groups }) => groups?.["code"]);
    assert.deepEqual(new Set(listed), new Set([...REASONS, ...TABLE_REASONS]));
  });

  it("say what to do in one sentence without its full stop", () => {
    for (const code of REASONS) {
      for (const path of ["vfio", "sysfs", "proc-bus-pci", "uio", "mem", "egm"]) {
        for (const program of programs) {
          for (const device of ["0000:01:00.0", null]) {
            const advice = adviceOf(code, { ...facts, path, program, device, isPci: device !== null });
            assert.match(advice, /^\S.*[^.\s]$/, code);
            assert.doesNotMatch(advice, /undefined|null| :|  /, code);
          }
        }
      }
    }
    for (const code of TABLE_REASONS) {
      const { advice } = tableReason(code, { leaf: 2 ** 30, past: 4096, slots: 2 });
      assert.match(advice, /^\S.*[^.\s]$/, code);
      assert.doesNotMatch(advice, /undefined|null/, code);
    }
  });

  it("send a virtual machine to QEMU 11 only where aligning areas is not enough", () => {
    const misaligned = (change: Partial<ReasonFacts>): string =>
      adviceOf("misaligned", { ...facts, ...change });
    assert.match(misaligned({}), /^the mapping starts 0x1ff000 past a 2 MiB boundary: use QEMU 11 or newer/);
    assert.match(misaligned({ needsRegion: false }), /: use QEMU 9\.2 or newer, or a distribution's/);
    for (const program of programs.filter((each) => each !== "qemu"))
      assert.doesNotMatch(misaligned({ program }), /QEMU/, program);
  });

  it("give each program its own words about its addresses", () => {
    const misaligned = (change: Partial<ReasonFacts>): string =>
      adviceOf("misaligned", { ...facts, ...change });
    const own = misaligned({ program: "other", command: "my-driver" });
    assert.match(own, /: have my-driver reserve .* aligned to 1 GiB/);
    assert.match(misaligned({ program: "firecracker" }), /: have Firecracker reserve .* aligned to 1 GiB/);
    assert.match(misaligned({ program: "crosvm" }), /: crosvm leaves the address .* have it reserve/);
    const cloud = { program: "cloud-hypervisor", command: "cloud-hyperviso" } as const;
    assert.match(misaligned({ ...cloud, reachedRounded: true }), /: use Cloud Hypervisor 53 or newer/);
    assert.match(misaligned(cloud), /from version 53 on, which is not enough .* have it reserve/);
    for (const program of programs) {
      const physical = misaligned({ program, needsPhysical: true });
      assert.match(physical, /strategy physical/, program);
      assert.doesNotMatch(physical, /use |aligned to/, program);
    }
  });

  it("set madvise where the program asks for huge pages itself", () => {
    const gate = (change: Partial<ReasonFacts>): string => adviceOf("thp-gate", { ...facts, ...change });
    const qemu = gate({ thp: "never" });
    assert.match(
      qemu,
      /write madvise to .* keep it with transparent_hugepage=madvise on the kernel's command/,
    );
    const dpdk = { program: "dpdk", advised: false } as const;
    assert.match(gate({ ...dpdk, thp: "never", advised: true }), /write madvise .*the program asks for/);
    assert.match(gate({ thp: "never", advised: false }), /write always to/);
    assert.match(gate({ ...dpdk, thp: "never" }), /write always to .*every program on the machine/);
    assert.match(gate({ ...dpdk, thp: "madvise" }), /or have the program ask with madvise/);
  });

  it("send nobody where nothing can be had", () => {
    const small = (change: Partial<ReasonFacts>): string =>
      adviceOf("no-huge-pfnmap", { ...facts, ...change });
    const vmbus = { device: "f8615163-df3e-46c5-913f-f2d2f965ed0e", isPci: false, driver: null };
    assert.match(
      small({ ...vmbus, path: "uio" }),
      /vfio-pci takes PCI functions only: there is nothing to do$/,
    );
    assert.match(small({ ...vmbus, device: "a0000000.fpga", driver: "vfio-platform" }), /nothing to do$/);
    assert.match(
      small({ path: "mem", device: null, isPci: false }),
      /VFIO cannot give it: there is nothing to do$/,
    );
    assert.match(
      small({ path: "sysfs", driver: "nvme" }),
      /vfio-pci \(hugebar bind 0000:01:00\.0, which takes it from nvme\) and map/,
    );
    assert.match(
      small({ kernel: "6.1.0", driver: "vfio-pci" }),
      /: use Linux 6\.12\.29, 6\.14\.7, 6\.15 or newer$/,
    );
    assert.match(small({ kernel: "6.12.1", driver: "nvgrace-gpu" }), /: use Linux 6\.19 or newer$/);
    assert.match(small({ withoutThp: true }), /CONFIG_TRANSPARENT_HUGEPAGE$/);
  });

  it("name the devices it may be, and the right that lacks", () => {
    const which = (change: Partial<ReasonFacts>): string =>
      adviceOf("device-unknown", { ...facts, couldBe: ["0000:41:00.0", "0000:41:00.1"], ...change });
    assert.match(which({}), /^it is one of 0000:41:00\.0, 0000:41:00\.1, .*Linux 6\.18 or newer does$/);
    assert.doesNotMatch(which({ kernel: "6.18.3" }), /newer/);
    assert.match(which({ blind: true }), /CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH$/);
  });
});
