import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { diagnose, type Finding } from "./doctor.ts";
import { LIVE } from "./proc/machine.ts";

const MACHINES = new URL("../../test/machines/", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "hugebar-doctor-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

function findingsOf(folder: string): readonly Finding[] {
  return diagnose({ proc: join(folder, "proc"), sys: join(folder, "sys") }).findings;
}

function statesOf(findings: readonly Finding[], topic: Finding["topic"]): string[] {
  return findings.filter((finding) => finding.topic === topic).map(({ state }) => state);
}

describe("diagnose", () => {
  it("finds nothing wrong with kernel and setting where there is nothing", () => {
    const findings = findingsOf(`${MACHINES}x86-qemu`);
    assert.deepEqual(
      (["kernel", "thp", "iommu", "device"] as const).flatMap((topic) => statesOf(findings, topic)),
      // What mapping for DMA takes on this kernel is worth knowing; alike devices are one point.
      ["good", "good", "good", "note", "good", "good"],
    );
    assert.deepEqual(statesOf(findings, "process"), ["problem", "problem", "good"]);
  });

  it("says what could be larger, what has no place, and which virtual functions are on", () => {
    const folder = join(scratch, "devices");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    const device = join(folder, "sys/bus/pci/devices/0000:01:00.0");
    writeFileSync(join(device, "resource1_resize"), "00000000001fff00\n");
    writeFileSync(join(device, "sriov_totalvfs"), "16\n");
    writeFileSync(join(device, "sriov_numvfs"), "2\n");
    const unset = join(folder, "sys/bus/pci/devices/0000:02:00.0/resource");
    const lines = readFileSync(unset, "utf8").split("\n");
    // IORESOURCE_UNSET: the address is what the firmware gave, and not the device's.
    lines[2] = (lines[2] ?? "").replace(
      / 0x0*([0-9a-f]+)$/,
      (_, flags: string) => ` 0x${(0x2000_0000n | BigInt(`0x${flags}`)).toString(16)}`,
    );
    writeFileSync(unset, lines.join("\n"));
    const found = findingsOf(folder).filter(({ topic }) => topic === "device");
    const texts = found.map(({ state, text }) => `${state}: ${text}`).join("\n");
    assert.match(texts, /^note: 0000:01:00\.0: region 1 has 64 GiB and could have 1 TiB \(Resizable BAR\)$/m);
    assert.match(texts, /^good: 0000:01:00\.0: 2 of 16 virtual functions are on$/m);
    assert.match(texts, /^problem: 0000:02:00\.0: region 2 of 256 GiB; the kernel found no place for it$/m);
    assert.match(
      found.find(({ text }) => text.includes("could have"))?.todo ?? "",
      /write 20 to .*resource1_resize$/,
    );
  });

  it("blames the setting that only helps who asks, and the kernel that has no huge pages", () => {
    const madvise = `${MACHINES}x86-madvise`;
    assert.deepEqual(statesOf(findingsOf(madvise), "thp"), ["problem"]);
    const folder = join(scratch, "madvise");
    cpSync(madvise, folder, { recursive: true, verbatimSymlinks: true });
    for (const pid of readdirSync(join(folder, "proc")).filter((name) => /^\d+$/.test(name))) {
      writeFileSync(join(folder, `proc/${pid}/comm`), "qemu-system-x86\n");
      rmSync(join(folder, `proc/${pid}/smaps`), { force: true });
    }
    assert.deepEqual(statesOf(findingsOf(folder), "thp"), ["note"], "QEMU asks");
    const enabled = join(folder, "sys/kernel/mm/transparent_hugepage/enabled");
    writeFileSync(enabled, "always madvise [never]\n");
    const never = findingsOf(folder).filter(({ topic }) => topic === "thp");
    assert.deepEqual(
      never.map(({ state, todo }) => [state, todo?.includes("always")]),
      [["problem", false]],
    );
    rmSync(join(folder, "proc"), { recursive: true });
    cpSync(join(madvise, "proc/sys"), join(folder, "proc/sys"), { recursive: true });
    const unused = findingsOf(folder).find(({ topic }) => topic === "thp");
    assert.match(
      unused?.todo ?? "",
      /^write madvise to .*QEMU asks.*transparent_hugepage=madvise on the kernel's command line.*restart/,
    );
    const old = findingsOf(`${MACHINES}x86-old`);
    assert.deepEqual([...statesOf(old, "kernel"), ...statesOf(old, "thp")], ["problem", "note"]);
  });

  it("names a kernel that maps wrong memory, and one whose huge pages hang on the order of touches", () => {
    const kernelOf = (machine: string): string[] =>
      findingsOf(`${MACHINES}huge-pfnmap-regressions/${machine}`)
        .filter(({ topic }) => topic === "kernel")
        .map(({ state, text }) => `${state}: ${text}`);
    for (const machine of ["6.12.5-misaligned", "6.13.0-rc3-misaligned"]) {
      assert.match(kernelOf(machine)[1] ?? "", /^problem: .*show wrong memory/);
    }
    for (const machine of ["6.12.12-aligned", "6.14.3-aligned"]) {
      assert.match(kernelOf(machine)[1] ?? "", /^problem: .*only if its first page is touched first$/);
    }
    const [good = "", handler = ""] = kernelOf("6.12.0-55.9.1.el10_0.x86_64-aligned");
    assert.match(good, /^good: /);
    assert.match(handler, /^note: Whether this kernel shows no wrong memory .*its version does not say$/);
    assert.equal(findingsOf(`${MACHINES}x86-qemu`).filter(({ topic }) => topic === "kernel").length, 1);
  });

  it("goes by what the kernel says of a process's mappings, where its version does not tell", () => {
    const kernelOf = (folder: string): string[] =>
      findingsOf(folder)
        .filter(({ topic }) => topic === "kernel")
        .map(({ state, text }) => `${state}: ${text}`);
    assert.match(kernelOf(`${MACHINES}kata-7xh100`).join(), /^problem: .*no huge pages .*physical addresses/);
    const folder = join(scratch, "told");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(folder, "proc/sys/kernel/osrelease"), "5.14.0-570.12.1.el9_6.x86_64\n");
    assert.match(kernelOf(folder).join(), /^note: .*its version does not say$/);
    const maps = readFileSync(join(folder, "proc/2111/maps"), "utf8");
    const smaps = maps.replaceAll(/^.+$/gm, "$&\nTHPeligible: 1\nVmFlags: rd wr sh hg ");
    writeFileSync(join(folder, "proc/2111/smaps"), smaps);
    assert.match(kernelOf(folder).join(), /^good: .*huge pages of 1 GiB and 2 MiB .*THPeligible/);
  });

  it("says of an architecture without huge pages for device memory that there is nothing to do", () => {
    const folder = join(scratch, "s390x");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(folder, "proc/sys/kernel/arch"), "s390x\n");
    const [finding = assert.fail()] = findingsOf(folder);
    assert.deepEqual([finding.topic, finding.state, finding.todo], ["kernel", "note", null]);
    const mappings = findingsOf(folder).filter(({ topic }) => topic === "process");
    assert.ok(
      mappings.length > 0 && mappings.every(({ text }) => text.startsWith("small, no-huge-pfnmap: ")),
      JSON.stringify(mappings),
    );
  });

  it("has something to do for each problem", () => {
    for (const machine of ["gb200-64k", "x86-qemu", "x86-madvise", "x86-old", "x86-mixed"]) {
      for (const { state, todo } of findingsOf(MACHINES + machine)) {
        if (state === "problem") assert.ok(todo !== null);
      }
    }
  });

  it("sees a BAR that the kernel found no place for", () => {
    const folder = join(scratch, "unplaced");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    const zero = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
    const bar = "0x0000000000000000 0x0000000fffffffff 0x000000000014220c\n";
    writeFileSync(join(folder, "sys/devices/pci0000:00/0000:01:00.0/resource"), zero + bar + zero);
    const unplaced = findingsOf(folder).find(
      ({ topic, text }) => topic === "device" && text.includes("0000:01:00.0"),
    );
    assert.deepEqual([unplaced?.state, unplaced?.text.includes("no place")], ["problem", true]);
  });

  it("examines this machine, and an empty one", () => {
    assert.equal(statesOf(diagnose(LIVE).findings, "kernel").length, 1);
    const nothing = findingsOf(join(scratch, "nothing"));
    assert.deepEqual([...new Set(nothing.map(({ state }) => state))], ["note"]);
  });
});
