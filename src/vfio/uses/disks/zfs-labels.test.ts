import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { parseNvList } from "./nvlist.ts";
import { packNvList } from "./nvlist.fixture.ts";
import { cachedPools, poolOnDisk } from "./zfs-labels.ts";

const label = packNvList({
  version: 5000n,
  name: "tank",
  pool_guid: 0xfedcba9876543210n,
  vdev_tree: { type: "mirror", children: [{ type: "disk", path: "/dev/sda1" }] },
});

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-zfs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A disk's first label: 8 KiB left free, 8 KiB for booting, then the list. */
function diskWith(t: TestContext, list: Uint8Array): string {
  const path = join(folderOf(t), "disk");
  writeFileSync(path, Buffer.concat([Buffer.alloc(16 * 1024), list, Buffer.alloc(4096)]));
  return path;
}

describe("poolOnDisk", () => {
  it("reads the pool's name in the label", (t) => {
    assert.equal(poolOnDisk(diskWith(t, label)), "tank");
  });

  it("knows of none on a disk without a label, one too small, and one that is not there", (t) => {
    assert.equal(poolOnDisk(diskWith(t, Buffer.alloc(200_000))), null);
    const small = join(folderOf(t), "small");
    writeFileSync(small, "x");
    assert.equal(poolOnDisk(small), null);
    assert.equal(poolOnDisk("/nowhere"), null);
  });
});

describe("cachedPools", () => {
  it("names each pool's disks, those of mirrors, spares and caches among them", (t) => {
    const folder = folderOf(t);
    mkdirSync(join(folder, "etc/zfs"), { recursive: true });
    const disk = (path: string) => ({ type: "disk", path, guid: 1n });
    writeFileSync(
      join(folder, "etc/zfs/zpool.cache"),
      packNvList({
        rpool: {
          version: 5000n,
          vdev_tree: {
            type: "root",
            children: [{ type: "mirror", children: [disk("/dev/sda1"), disk("/dev/disk/by-id/b-part1")] }],
            l2cache: [disk("/dev/nvme0n1p4")],
          },
        },
        tank: { vdev_tree: { type: "root", children: [disk("/dev/sdc")], spares: [disk("/dev/sdd")] } },
      }),
    );
    assert.deepEqual(
      [...cachedPools({ proc: join(folder, "proc"), sys: join(folder, "sys") })].map(([name, paths]) => [
        name,
        [...paths].sort(),
      ]),
      [
        ["rpool", ["/dev/disk/by-id/b-part1", "/dev/nvme0n1p4", "/dev/sda1"]],
        ["tank", ["/dev/sdc", "/dev/sdd"]],
      ],
    );
    assert.equal(cachedPools({ proc: "/nowhere/proc", sys: "/nowhere/sys" }).size, 0);
  });
});

describe("parseNvList", () => {
  it("gives a list or nothing, whatever the bytes, and comes to an end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        parseNvList(Uint8Array.of(1, 1, 0, 0, ...bytes));
      }),
    );
    fc.assert(
      fc.property(fc.nat(label.length - 1), fc.nat(255), (at, value) => {
        const changed = Uint8Array.from(label);
        changed[at] = value;
        parseNvList(changed);
      }),
    );
    for (let end = 0; end < label.length - 8; end += 1)
      assert.equal(parseNvList(label.subarray(0, end)), null);
  });
});
