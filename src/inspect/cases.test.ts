/** Whose memory it is, on machines of people who do this job; what is right follows from the kernel's sources. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { inspectMachine } from "./inspect.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";

const MACHINES = new URL("../../test/machines/", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "hugebar-cases-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

function rowsOf(folder: string, pid?: number): readonly InspectedMapping[] {
  const roots = { proc: join(folder, "proc"), sys: join(folder, "sys") };
  return inspectMachine(roots, pid === undefined ? null : [pid]).processes.flatMap(
    ({ mappings }) => mappings,
  );
}

function whose({ identity: { device, region } }: InspectedMapping): string {
  return `${device ?? "?"} ${region ?? "?"}`;
}

function adviceIn(rows: readonly InspectedMapping[]): string {
  return rows.flatMap(({ reasons }) => reasons.map(({ advice }) => advice)).join("\n");
}

describe("the device behind a mapping", () => {
  it("is known of BARs mapped by dma-buf, in either form of the name", () => {
    const machine = `${MACHINES}dmabuf-bar-maps`;
    assert.deepEqual(rowsOf(machine, 701).map(whose), ["0000:00:03.0 2"]);
    const rows = rowsOf(machine, 702);
    assert.deepEqual(rows.map(whose), ["0000:00:03.0 1", "0000:00:03.0 0"]);
    // Judged as vfio-pci's memory is.
    assert.deepEqual(
      [...rowsOf(machine, 701), ...rows].map(({ verdict }) => verdict),
      ["small", "small", "huge"],
    );
  });

  it("leaves open what a driver that is not known makes of a physical address", () => {
    const machine = join(scratch, "grace-without-sysfs");
    cpSync(`${MACHINES}nvgrace-6.12.107`, machine, { recursive: true, verbatimSymlinks: true });
    const codes = (): unknown[] =>
      rowsOf(machine).map(({ verdict, reasons }) => [verdict, reasons.map(({ code }) => code)]);
    rmSync(join(machine, "sys/bus/pci/devices/0009:01:00.0"));
    assert.deepEqual(codes(), [["unknown", ["driver-unknown"]]]);
    assert.match(adviceIn(rowsOf(machine)), /sysfs does not tell the device's driver/);
    rmSync(join(machine, "sys/class"), { recursive: true });
    assert.deepEqual(codes(), [["unknown", ["device-unknown"]]]);
  });

  it("is by what all drivers that come into question have in common", () => {
    // Two superchips of one process: whose memory it is, no BAR tells, and the driver is the same.
    const machine = join(scratch, "grace-twice");
    cpSync(`${MACHINES}nvgrace-6.12.107`, machine, { recursive: true, verbatimSymlinks: true });
    const first = join(machine, "sys/devices/pci0009:00/0009:00:00.0/0009:01:00.0");
    const second = join(machine, "sys/devices/pci0009:00/0009:00:00.0/0009:02:00.0");
    cpSync(first, second, { recursive: true, verbatimSymlinks: true });
    const link = (target: string, path: string): void => {
      rmSync(join(machine, path), { force: true });
      mkdirSync(dirname(join(machine, path)), { recursive: true });
      symlinkSync(target, join(machine, path));
    };
    link("../../../devices/pci0009:00/0009:00:00.0/0009:02:00.0", "sys/bus/pci/devices/0009:02:00.0");
    const inDevices = "sys/devices/pci0009:00/0009:00:00.0/0009:02:00.0";
    link("../../../../kernel/iommu_groups/6", `${inDevices}/iommu_group`);
    link(
      "../../../../devices/pci0009:00/0009:00:00.0/0009:02:00.0",
      "sys/kernel/iommu_groups/6/devices/0009:02:00.0",
    );
    link("/dev/vfio/5", "proc/800/fd/9");
    link("/dev/vfio/6", "proc/800/fd/10");
    const maps = join(machine, "proc/800/maps");
    writeFileSync(
      maps,
      readFileSync(maps, "utf8").replace("/dev/vfio/devices/vfio0", "anon_inode:[vfio-device]"),
    );
    const rows = rowsOf(machine);
    assert.deepEqual(
      rows.map(({ verdict, reasons }) => [verdict, reasons.map(({ code }) => code)]),
      [["small", ["no-huge-pfnmap"]]],
    );
    assert.deepEqual(rows[0]?.identity.couldBe, ["0009:01:00.0", "0009:02:00.0"]);
    assert.match(adviceIn(rows), /nvgrace/);
  });

  it("is known of BARs smaller than a page", () => {
    assert.deepEqual(rowsOf(`${MACHINES}subpage-bar-x86`).map(whose), ["0000:00:1d.0 0", "0000:00:1f.2 5"]);
    const rows = rowsOf(`${MACHINES}subpage-bar-64k-6.12`);
    assert.deepEqual(
      rows.map(whose),
      Array.from({ length: 3 }, () => "0006:01:00.0 0"),
    );
    assert.deepEqual([...new Set(rows.map(({ identity }) => identity.regionSize))], [16384]);
  });

  it("is a mediated device's UUID, and no newer kernel would tell more", () => {
    const rows = rowsOf(`${MACHINES}mdev-vgpu-6.18`);
    const uuid = "0b5fd3fb-2389-4a22-ba70-52969a26b9d5";
    assert.deepEqual(
      rows.map(({ identity }) => identity.device),
      [uuid, uuid],
    );
    assert.deepEqual([...new Set(rows.map(({ verdict }) => verdict))], ["unknown"]);
    assert.doesNotMatch(adviceIn(rows), /newer/);
  });

  it("is a platform device, which has base pages on every kernel", () => {
    const rows = rowsOf(`${MACHINES}vfio-platform`);
    assert.deepEqual(rows.map(whose), ["a0000000.fpga 0", "a0000000.fpga 0"]);
    assert.deepEqual([...new Set(rows.map(({ verdict }) => verdict))], ["small"]);
    assert.match(adviceIn(rows), /^vfio-platform maps its devices with base pages only.*nothing to do$/m);
  });

  it("is known of uio devices that are not on PCI, from inside a container, too", () => {
    const rows = rowsOf(`${MACHINES}uio-not-pci`);
    const network = "f8615163-df3e-46c5-913f-f2d2f965ed0e";
    assert.deepEqual(
      rows.map(({ identity }) => identity.device),
      [network, network, "80000000.foo", "80000000.foo"],
    );
    assert.doesNotMatch(adviceIn(rows), /bind/);
  });

  it("is found where only one way to read all mappings is possible", () => {
    const machine = `${MACHINES}quadro-four-functions`;
    assert.deepEqual(rowsOf(machine, 7001).map(whose), [
      "0000:65:00.0 0",
      "0000:65:00.0 1",
      "0000:65:00.0 3",
      "0000:65:00.1 0",
      "0000:65:00.2 0",
      "0000:65:00.2 3",
      "0000:65:00.3 0",
    ]);
    assert.deepEqual(rowsOf(machine, 7002).map(whose), [
      "0000:01:00.0 1",
      "0000:02:00.0 1",
      "0000:01:00.0 0",
      "0000:02:00.0 0",
    ]);
  });

  it("is left open where two ways are possible, and those are named", () => {
    const machine = join(scratch, "two-ways");
    cpSync(`${MACHINES}quadro-four-functions`, machine, { recursive: true, verbatimSymlinks: true });
    // Of the smallest only: any of the four functions has room for it.
    const line = "7f1030300000-7f1030301000 rw-s 00000000 00:0f 1063 anon_inode:[vfio-device]\n";
    writeFileSync(join(machine, "proc/7001/maps"), line);
    const [row] = rowsOf(machine, 7001);
    assert.equal(row?.identity.device, null);
    assert.deepEqual(row?.identity.couldBe, ["0000:65:00.0", "0000:65:00.1", "0000:65:00.2", "0000:65:00.3"]);
  });
});

describe("what is not a device", () => {
  it("is not a row", () => {
    const machine = join(scratch, "no-device");
    cpSync(`${MACHINES}x86-mixed`, machine, { recursive: true, verbatimSymlinks: true });
    writeFileSync(
      join(machine, "proc/340/maps"),
      [
        "7f0000000000-7f0000400000 rw-s 00000000 fe:00 12 /srv/0000:41:00.0/resource0",
        "7f0000400000-7f0000800000 rw-s 00000000 fe:00 13 /mem",
        "7f0000800000-7f0000c00000 rw-s 00000000 fe:00 14 /srv/bus/pci/41/00.0",
        "7f0000c00000-7f0001000000 rw-s 00000000 00:01 15 /dmabuf:udmabuf",
        "",
      ].join("\n"),
    );
    assert.deepEqual(rowsOf(machine, 340), []);
  });

  it("is told from memory that is no BAR's", () => {
    const machine = join(scratch, "no-bar");
    cpSync(`${MACHINES}x86-mixed`, machine, { recursive: true, verbatimSymlinks: true });
    writeFileSync(
      join(machine, "proc/340/maps"),
      [
        "7f0000000000-7f0000400000 rw-s fed00000 00:06 6 /dev/mem",
        "7f0000400000-7f0000800000 rw-s 00000000 00:06 7 /dev/egm4",
        "7f0000800000-7f0000c00000 rw-s 20000400000 00:15 8 /proc/bus/pci/41/00.0",
        "",
      ].join("\n"),
    );
    const rows = rowsOf(machine, 340);
    assert.deepEqual(rows.map(whose), ["? ?", "egm4 ?", "0000:41:00.0 0"]);
    assert.equal(rows[0]?.identity.physical, 0xfed00000n);
    assert.match(adviceIn(rows.slice(0, 2)), /VFIO cannot give it: there is nothing to do$/m);
    assert.doesNotMatch(adviceIn(rows.slice(0, 2)), /bind/);
  });
});
