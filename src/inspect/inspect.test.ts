import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { assertGolden } from "../../test/golden.ts";
import { asNobody } from "./proc/as-nobody.fixture.ts";
import { inspectMachine } from "./inspect.ts";
import type { Inspection } from "./inspection.ts";
import { inspectionJson } from "./inspection-json.ts";
import { LIVE } from "./proc/machine.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";

const MACHINES = new URL("../../test/machines/", import.meta.url).pathname;

function rootsOf(folder: string): MachineRoots {
  return { proc: join(folder, "proc"), sys: join(folder, "sys") };
}

function mappingsOf(inspection: Inspection, pid: number) {
  const found = inspection.processes.find((each) => each.pid === pid);
  assert.ok(found, `process ${pid}`);
  return found.mappings;
}

const scratch = mkdtempSync(join(tmpdir(), "hugebar-inspect-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

describe("inspectMachine", () => {
  for (const name of ["gb200-64k", "x86-qemu", "x86-madvise", "x86-old", "x86-mixed"]) {
    it(`says of the recorded machine ${name} what it always said`, () => {
      // The version changes with each release; undefined is left out.
      const json = { ...inspectionJson(inspectMachine(rootsOf(MACHINES + name))), version: undefined };
      const text = `${JSON.stringify(json, null, 2)}\n`;
      assertGolden(pathToFileURL(join(MACHINES, "golden", `${name}.json`)), text);
    });
  }

  it("judges the two mappings quoted in QEMU's commit", () => {
    const inspection = inspectMachine(rootsOf(`${MACHINES}gb200-64k`));
    const [before] = mappingsOf(inspection, 4100);
    assert.deepEqual([before?.verdict, before?.now?.faults], ["small", 3_080_432]);
    assert.deepEqual(
      before?.reasons.map(({ code }) => code),
      ["misaligned"],
    );
    const [behind] = mappingsOf(inspection, 4200);
    assert.deepEqual([behind?.verdict, behind?.now?.faults], ["huge", 616]);
    assert.equal(behind?.identity.physical, 0x400000000000n);
  });

  it("opens the gate to a mapping that was given MADV_HUGEPAGE, and to no other", () => {
    const folder = join(scratch, "advised");
    cpSync(`${MACHINES}x86-madvise`, folder, { recursive: true, verbatimSymlinks: true });
    const smaps = join(folder, "proc/2111/smaps");
    writeFileSync(smaps, readFileSync(smaps, "utf8").replace("pf io de dd", "pf io de dd hg"));
    const [advised, other] = mappingsOf(inspectMachine(rootsOf(folder)), 2111);
    assert.deepEqual([advised?.verdict, other?.verdict], ["huge", "small"]);
    rmSync(smaps);
    const [unknown] = mappingsOf(inspectMachine(rootsOf(folder)), 2111);
    assert.equal(unknown?.verdict, "unknown");
    assert.deepEqual(
      unknown.reasons.map(({ code }) => code),
      ["advice-unknown"],
    );
  });

  it("finds the device file of a process in a chroot, and no file outside that bears its name", () => {
    const folder = join(scratch, "jailed");
    // A node on a disk.
    const mapping = (path: string): string => `7f0000000000-7f0040000000 rw-s 20000000000 fe:01 7 ${path}\n`;
    const devices = (maps: string): (string | undefined)[] => {
      mkdirSync(join(folder, "proc/8"), { recursive: true });
      writeFileSync(join(folder, "proc/8/maps"), maps);
      return mappingsOf(inspectMachine(rootsOf(folder), [8]), 8).map(({ vmas }) => vmas[0]?.path);
    };
    assert.deepEqual(devices(mapping("/srv/jail/dev/vfio/devices/vfio0")), []);
    symlinkSync("/srv/jail", join(folder, "proc/8/root"));
    assert.deepEqual(devices(mapping("/srv/jail/dev/vfio/devices/vfio0")), ["/dev/vfio/devices/vfio0"]);
    assert.deepEqual(devices(mapping("/srv/jail2/dev/vfio/devices/vfio0")), []);
  });

  it("knows the groups that a process in a chroot holds", () => {
    const folder = join(scratch, "group");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    const devicesOf = () =>
      mappingsOf(inspectMachine(rootsOf(folder)), 2111).map(({ identity }) => identity.device);
    const known = ["0000:03:00.0", "0000:03:00.0"];
    assert.deepEqual(devicesOf(), known);
    const group = join(folder, "proc/2111/fd/11");
    rmSync(group);
    assert.deepEqual(devicesOf(), [null, null], "one of three devices with such a BAR");
    symlinkSync("/srv/jail/dev/vfio/14", group);
    assert.deepEqual(devicesOf(), known);
  });

  it("names no other device where the right one is not to be found", () => {
    const folder = join(scratch, "elsewhere");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    const devicesOf = () =>
      mappingsOf(inspectMachine(rootsOf(folder)), 2111).map(({ identity }) => identity.device);
    // Unplugged, with its group still there.
    rmSync(join(folder, "sys/bus/pci/devices/0000:03:00.0"));
    assert.deepEqual(devicesOf(), [null, null]);
    // A mediated device, which is not on PCI.
    const group = join(folder, "sys/kernel/iommu_groups/14/devices");
    rmSync(group, { recursive: true });
    const mediated = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
    mkdirSync(join(group, mediated), { recursive: true });
    assert.deepEqual(devicesOf(), [mediated, mediated]);
  });

  it("gives a process that is gone a row only if it was asked for", () => {
    const roots = rootsOf(`${MACHINES}x86-mixed`);
    assert.ok(inspectMachine(roots).processes.every(({ pid }) => pid !== 380));
    const { processes } = inspectMachine(roots, [380, 999, 370]);
    assert.deepEqual(
      processes.map(({ pid, refused, mappings }) => [pid, refused, mappings.length]),
      [
        [380, "gone", 0],
        [999, "gone", 0],
        [370, null, 0],
      ],
    );
  });

  it("shows what may not be read as such, and all the rest", () => {
    const folder = join(scratch, "forbidden");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    chmodSync(join(folder, "proc/2100/maps"), 0);
    chmodSync(folder, 0o755);
    chmodSync(scratch, 0o755);
    const { processes } = asNobody(() => inspectMachine(rootsOf(folder)));
    const rows = processes.map(({ pid, refused, mappings }) => [pid, refused, mappings.length]);
    assert.deepEqual(rows, [
      [2072, null, 3],
      [2100, "not-permitted", 0],
      [2111, null, 2],
    ]);
  });

  it("reads this very machine", () => {
    const { machine, processes } = inspectMachine(LIVE, [process.pid]);
    assert.notEqual(machine.kernel, "");
    assert.deepEqual(
      processes.map(({ pid, refused }) => [pid, refused]),
      [[process.pid, null]],
    );
  });

  it("takes no mapping that does not start and end on a page", () => {
    const folder = join(scratch, "unaligned");
    cpSync(`${MACHINES}gb200-64k`, folder, { recursive: true, verbatimSymlinks: true });
    for (const range of ["ff88ff001000-ffb7fff00000", "ff88ff000000-ffb7fff01000"]) {
      writeFileSync(join(folder, "proc/4100/maps"), `${range} rw-s 0 00:06 727 /dev/vfio/devices/vfio1\n`);
      assert.deepEqual(mappingsOf(inspectMachine(rootsOf(folder), [4100]), 4100), []);
    }
  });

  it("survives any content of any file, and lets it spoil no other process's row", () => {
    const folder = join(scratch, "hostile");
    const machine = "x86-madvise";
    cpSync(MACHINES + machine, folder, { recursive: true, verbatimSymlinks: true });
    const untouched = JSON.stringify(processJson(inspectMachine(rootsOf(folder)), 2111));
    // Not through links, which lead in circles.
    const files = globSync("{proc,sys/devices,sys/kernel/mm}/**", { cwd: folder, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
    assert.ok(files.includes("proc/2072/maps") && files.includes("proc/sys/kernel/osrelease"));
    const originals = new Map(files.map((file) => [file, readFileSync(join(folder, file), "utf8")]));
    const spoiled = fc.constantFrom(...files).chain((file) => {
      const original = originals.get(file) ?? "";
      return fc.record({ file: fc.constant(file), content: fc.oneof(mutation(original), fc.uint8Array()) });
    });
    fc.assert(
      fc.property(spoiled, ({ file, content }) => {
        writeFileSync(join(folder, file), content);
        const inspection = inspectMachine(rootsOf(folder));
        writeFileSync(join(folder, file), originals.get(file) ?? "");
        if (file.startsWith("proc/2072/")) {
          assert.equal(JSON.stringify(processJson(inspection, 2111)), untouched);
        }
        for (const each of inspection.processes) {
          for (const mapping of each.mappings) checkRow(mapping);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function processJson(inspection: Inspection, pid: number): unknown {
  return inspectionJson({
    ...inspection,
    processes: inspection.processes.filter((each) => each.pid === pid),
  });
}

type Row = Inspection["processes"][number]["mappings"][number];

/** The leaves, now and at best, map exactly the bytes of the mappings, which lie in the region. */
function checkRow({ vmas, now, best, identity: { regionSize, offset } }: Row): void {
  const bytes = vmas.reduce((sum, { size }) => sum + size, 0);
  assert.ok(regionSize === null || offset === null || offset + bytes <= regionSize);
  for (const cost of [now, best]) {
    if (cost === null) continue;
    assert.equal(
      cost.leaves.reduce((sum, { size, count }) => sum + size * count, 0),
      bytes,
    );
  }
}

/** The text with a piece of it replaced, doubled or cut off. */
function mutation(text: string): fc.Arbitrary<string> {
  const place = fc.nat(text.length);
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom(
      "\n",
      " ",
      "0",
      "f",
      "ffffffffffffffff",
      "-",
      "\\012",
      "\0",
      "7fffffffffffffff",
      "1",
      ":",
    ),
  );
  return fc.tuple(place, place, piece).map(([a, b, insert]) => {
    const [from, to] = a < b ? [a, b] : [b, a];
    return text.slice(0, from) + insert + text.slice(Math.min(to, from + 40));
  });
}
