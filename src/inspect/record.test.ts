import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { asNobody } from "./proc/as-nobody.fixture.ts";
import { inspectMachine } from "./inspect.ts";
import { inspectionJson } from "./inspection-json.ts";
import { LIVE } from "./proc/machine.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { recordMachine } from "./record.ts";

const MACHINES = new URL("../../test/machines/", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "hugebar-record-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

function rootsOf(folder: string): MachineRoots {
  return { proc: join(folder, "proc"), sys: join(folder, "sys") };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("recordMachine", () => {
  for (const name of [
    "gb200-64k",
    "x86-qemu",
    "x86-madvise",
    "x86-old",
    "x86-mixed",
    "kata-7xh100",
    "dmabuf-bar-maps",
    "mdev-vgpu-6.18",
    "quadro-four-functions",
    "subpage-bar-64k-6.12",
    "subpage-bar-x86",
    "uio-not-pci",
    "vfio-platform",
  ]) {
    it(`saves all that inspect needs of ${name}`, () => {
      const folder = join(scratch, name);
      recordMachine(rootsOf(MACHINES + name), folder);
      const original = inspectionJson(inspectMachine(rootsOf(MACHINES + name)));
      assert.deepEqual(inspectionJson(inspectMachine(rootsOf(folder))), original);
    });
  }

  it("saves this machine, and of its processes nothing but what bears on device mappings", () => {
    const folder = join(scratch, "live");
    const { devices } = recordMachine(LIVE, folder);
    assert.equal(devices, readdirSync(join(folder, "sys/bus/pci/devices")).length);
    const allowed = new Set([
      "comm",
      "status",
      "maps",
      "smaps",
      "mappings",
      "osrelease",
      "arch",
      "refused",
      "hostname",
      "hugebar-record",
      "hugebar-owner",
    ]);
    for (const file of filesBelow(join(folder, "proc"))) {
      const name = file.split("/").at(-1) ?? "";
      assert.ok(allowed.has(name) || file.includes("/fdinfo/"), file);
      assert.ok(statSync(file).size < 65536, file);
    }
    const live = inspectMachine(LIVE).machine;
    assert.deepEqual({ ...inspectMachine(rootsOf(folder)).machine, roots: null }, { ...live, roots: null });
  });

  it("saves devices that are not on PCI", () => {
    const sys = join(scratch, "platform/sys");
    const device = "devices/platform/soc/fe000000.fpga/uio/uio0";
    mkdirSync(join(sys, device, "maps/map0"), { recursive: true });
    mkdirSync(join(sys, "class/uio"), { recursive: true });
    writeFileSync(join(sys, device, "maps/map0/addr"), "0xfe000000\n");
    symlinkSync(`../../${device}`, join(sys, "class/uio/uio0"));
    const proc = join(scratch, "platform/proc");
    mkdirSync(join(proc, "7"), { recursive: true });
    writeFileSync(join(proc, "7/maps"), "7f0000000000-7f0000010000 rw-s 00000000 00:05 9 /dev/uio0\n");
    const folder = join(scratch, "platform/copy");
    recordMachine({ proc, sys }, folder);
    const [mapping] = inspectMachine(rootsOf(folder), [7]).processes[0]?.mappings ?? [];
    assert.deepEqual([mapping?.identity.device, mapping?.identity.physical], ["fe000000.fpga", 0xfe000000n]);
  });

  it("saves of processes that may not be looked at that they are there", () => {
    const machine = join(scratch, "forbidden");
    cpSync(`${MACHINES}x86-qemu`, machine, { recursive: true, verbatimSymlinks: true });
    chmodSync(join(machine, "proc/2100/maps"), 0);
    chmodSync(scratch, 0o777);
    const folder = join(scratch, "refused");
    const { refused, live } = asNobody(() => {
      const { refused } = recordMachine(rootsOf(machine), folder);
      return { refused, live: inspectionJson(inspectMachine(rootsOf(machine))) };
    });
    assert.equal(refused, 1);
    assert.deepEqual(inspectionJson(inspectMachine(rootsOf(folder))), live);
    const kept = readdirSync(join(folder, "proc/2100")).sort();
    assert.deepEqual(kept, ["comm", "refused"]);
  });

  it("keeps that others may have been hidden, also of a recorded machine", () => {
    const machine = join(scratch, "hidepid");
    cpSync(`${MACHINES}x86-qemu`, machine, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(machine, "proc/hugebar-record"), "processes: 40\nhidden: yes\n");
    const folder = join(scratch, "hidepid-copy");
    recordMachine(rootsOf(machine), folder);
    const copy = inspectMachine(rootsOf(folder));
    assert.deepEqual([copy.scanned, copy.hidden], [40, true]);
    assert.deepEqual(inspectionJson(copy), inspectionJson(inspectMachine(rootsOf(machine))));
    // Whether those asked for could be judged does not hang on others.
    assert.equal(inspectMachine(rootsOf(folder), [2100]).hidden, false);
  });

  it("keeps which socket a served device came by, also of a recorded machine", () => {
    const machine = join(scratch, "served");
    cpSync(`${MACHINES}x86-qemu`, machine, { recursive: true, verbatimSymlinks: true });
    mkdirSync(join(machine, "proc/9"));
    const line = (at: string, inode: number, region: number): string =>
      `7f00${at}0000000-7f00${at}0200000 rw-s 00000000 00:01 ${inode} /memfd:hugebar-device-${region} (deleted)\n`;
    writeFileSync(join(machine, "proc/9/maps"), line("0", 70, 0) + line("1", 72, 2) + line("2", 73, 4));
    writeFileSync(
      join(machine, "proc/9/vfio-user-sockets"),
      "70 /run/a b.sock\n72 /run/a b.sock\n73 gpu\n7\n",
    );
    const folder = join(scratch, "served-copy");
    recordMachine(rootsOf(machine), folder);
    for (const roots of [rootsOf(machine), rootsOf(folder)]) {
      const [{ mappings } = assert.fail()] = inspectMachine(roots, [9]).processes;
      assert.deepEqual(
        mappings.map(({ identity: { device, region } }) => [device, region]),
        [
          ["vfio-user:/run/a b.sock", 0],
          ["vfio-user:/run/a b.sock", 2],
          [null, 4],
        ],
      );
    }
  });

  it("keeps the lines of maps and status that matter, and drops the others", () => {
    const folder = join(scratch, "lines");
    recordMachine(rootsOf(`${MACHINES}x86-qemu`), folder);
    const maps = readFileSync(join(folder, "proc/2111/maps"), "utf8");
    assert.ok(maps.split("\n").every((line) => line === "" || line.endsWith("anon_inode:[vfio-device]")));
    assert.equal(
      readFileSync(join(folder, "proc/2111/status"), "utf8"),
      "VmPTE:\t     420 kB\nTHP_enabled:\t1\n",
    );
  });

  it("keeps what the kernel says of the mappings, and no other line of smaps", () => {
    const machine = join(scratch, "told");
    cpSync(`${MACHINES}x86-madvise`, machine, { recursive: true, verbatimSymlinks: true });
    const smaps = join(machine, "proc/2111/smaps");
    const text = readFileSync(smaps, "utf8").replaceAll(/^VmFlags:/gm, "THPeligible:           0\nVmFlags:");
    writeFileSync(smaps, text);
    const status = join(machine, "proc/2111/status");
    writeFileSync(status, `VmSize:\t 9000 kB\n${readFileSync(status, "utf8")}`);
    writeFileSync(join(machine, "proc/2111/mappings"), "321\n");
    const folder = join(scratch, "told-copy");
    recordMachine(rootsOf(machine), folder);
    const kept = readFileSync(join(folder, "proc/2111/smaps"), "utf8");
    const kinds = kept
      .split("\n")
      .map((line) => /^\w+:|^[0-9a-f]+-|^$/.exec(line)?.[0].replace(/^[0-9a-f]+-/, "VMA"));
    assert.deepEqual(new Set(kinds), new Set(["VMA", "THPeligible:", "VmFlags:", ""]));
    assert.match(readFileSync(join(folder, "proc/2111/status"), "utf8"), /^VmSize:\t 9000 kB$/m);
    assert.equal(readFileSync(join(folder, "proc/2111/mappings"), "utf8"), "321\n");
    const [of, inCopy] = [machine, folder].map((each) =>
      inspectionJson(inspectMachine(rootsOf(each), [2111])),
    );
    assert.deepEqual(inCopy, of);
  });

  it("writes over nothing", () => {
    const folder = join(scratch, "taken");
    mkdirSync(join(folder, "something"), { recursive: true });
    assert.throws(() => recordMachine(LIVE, folder), {
      code: "ERR_ARGUMENT",
      message: `Cannot use ${folder}: it is not empty; give a new folder`,
    });
    assert.throws(() => recordMachine(LIVE, "/proc/self/comm/folder"), { code: "ERR_SYSTEM" });
  });
});
