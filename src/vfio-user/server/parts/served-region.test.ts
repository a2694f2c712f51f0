import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeRegionInfo } from "../../../device/transport/region-info.ts";
import { SharedMemory } from "../../../memory/shared-memory.ts";
import { F_GETFD, MAP_SHARED, O_CLOEXEC, O_RDWR, PROT_READ, PROT_WRITE } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { idleClient } from "./idle-client.fixture.ts";
import { serveRegion } from "./served-region.ts";

const client = idleClient();
const AREAS = [
  { offset: 0x3000, size: 0x1000 },
  { offset: 0x1000, size: 0x1000 },
];

describe("a served region", () => {
  it("describes memory with its areas, in the author's order", () => {
    const region = serveRegion({ index: 2, size: 0x8000, memory: "sparse", areas: AREAS });
    const { sparseAreas, size, flags } = decodeRegionInfo(region.description, "2 of it");
    assert.deepEqual({ sparseAreas, size, flags }, { sparseAreas: AREAS, size: 0x8000, flags: 0xf });
    assert.notEqual(region.fd, null);
    region.release();
  });

  it("maps whole pages only, and nothing where there is no whole page", () => {
    const uneven = serveRegion({ index: 2, size: 0x1801, memory: "sparse" });
    assert.deepEqual(decodeRegionInfo(uneven.description, "").sparseAreas, [{ offset: 0, size: 0x1000 }]);
    const tiny = serveRegion({ index: 2, size: 1, memory: "sparse" });
    assert.equal(tiny.fd, null);
    assert.equal(decodeRegionInfo(tiny.description, "").flags, 3);
    const bytes = new Uint8Array(1);
    void tiny.write(0, new Uint8Array([7]), client);
    void tiny.read(0, bytes, client);
    assert.equal(bytes[0], 7);
    uneven.release();
    tiny.release();
  });

  it("allows what there is a handler for", () => {
    const flagsOf = (handlers: object) =>
      decodeRegionInfo(serveRegion({ index: 0, size: 8, ...handlers }).description, "").flags;
    assert.equal(flagsOf({}), 0);
    assert.equal(flagsOf({ read: () => {} }), 1);
    assert.equal(flagsOf({ write: () => {} }), 2);
    assert.equal(flagsOf({ read: () => {}, write: () => {}, readOnly: true }), 1);
    assert.throws(() => serveRegion({ index: 0, size: 8 }).read(0, new Uint8Array(1), client), { errno: 22 });
  });

  it("passes read-only memory along so that it stays read-only", () => {
    const region = serveRegion({ index: 2, size: 0x1000, memory: "sparse", readOnly: true });
    const { fd } = region;
    assert.ok(fd !== null);
    assert.throws(() => linux.mmap(0n, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), {
      code: "EACCES",
    });
    const again = linux.open(`/proc/self/fd/${fd}`, O_RDWR | O_CLOEXEC);
    assert.throws(() => linux.mmap(0n, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), {
      code: "EPERM",
    });
    assert.throws(() => linux.pwrite(again, new Uint8Array(1), 0), { code: "EPERM" });
    linux.close(again);
    linux.munmap(linux.mmap(0n, 0x1000, PROT_READ, MAP_SHARED, fd, 0), 0x1000);
    assert.throws(() => region.write(0, new Uint8Array(1), client), { errno: 22 });
    region.release();
    assert.throws(() => linux.fcntl(fd, F_GETFD, 0), { code: "EBADF" });
  });

  it("leaves read-only memory to its author, and takes none that others may write", () => {
    const memory = new SharedMemory(0x1000);
    const region = serveRegion({ index: 2, memory, readOnly: true });
    memory.bytes(0, 1)[0] = 7;
    const target = new Uint8Array(1);
    void region.read(0, target, client);
    assert.equal(target[0], 7);
    assert.throws(() => {
      const shared = new SharedMemory(0x1000);
      serveRegion({ index: 2, memory: shared }).release();
      serveRegion({ index: 2, memory: shared, readOnly: true });
    }, /region 2 read-only: its memory was given to somebody before who may write it/);
    region.release();
    memory.close();
  });

  it("shows zeros where its author's handler fills nothing", () => {
    const region = serveRegion({ index: 0, size: 64, read: () => {} });
    for (const length of [1, 8, 9, 64]) {
      const target = new Uint8Array(length).fill(0xaa);
      void region.read(0, target, client);
      assert.deepEqual(target, new Uint8Array(length));
    }
  });

  it("sends every byte of an access to the memory or to the handler, by where it lies", async () => {
    const memory = new SharedMemory(0x8000);
    const gap = new Uint8Array(0x8000);
    const inGap = (offset: number, length: number): void => {
      const overlaps = AREAS.some(
        (area) => offset < area.offset + area.size && area.offset < offset + length,
      );
      assert.ok(!overlaps, "the handler sees gaps only");
    };
    const region = serveRegion({
      index: 2,
      memory,
      areas: AREAS,
      read(offset, target) {
        inGap(offset, target.length);
        target.set(gap.subarray(offset, offset + target.length));
      },
      async write(offset, source) {
        inGap(offset, source.length);
        await Promise.resolve();
        gap.set(source, offset);
      },
    });
    const model = new Uint8Array(0x8000);
    await fc.assert(
      fc.asyncProperty(fc.nat(0x7fff), fc.nat(0x4000), fc.nat(255), async (offset, length, value) => {
        const size = Math.min(length, 0x8000 - offset);
        const bytes = new Uint8Array(size).fill(value);
        await region.write(offset, bytes, client);
        model.set(bytes, offset);
        const all = new Uint8Array(0x8000);
        await region.read(0, all, client);
        assert.ok(Buffer.from(all).equals(model));
        for (const area of AREAS) {
          const mapped = memory.bytes(area.offset, area.size);
          assert.ok(Buffer.from(mapped).equals(model.subarray(area.offset, area.offset + area.size)));
        }
      }),
    );
    memory.close();
  });

  it("refuses what cannot be", () => {
    const memory = new SharedMemory(0x1000);
    const bad: [Parameters<typeof serveRegion>[0], string, RegExp][] = [
      [{ index: 0, size: -1 }, "ERR_ARGUMENT", /its size \(-1\)/],
      [{ index: 0, size: 1.5 }, "ERR_ARGUMENT", /its size/],
      [{ index: 0, size: 2 ** 53 }, "ERR_ARGUMENT", /its size/],
      [{ index: 0, size: 0x1001, memory }, "ERR_ARGUMENT", /its memory has 4096 bytes/],
      [{ index: 0, size: 0x1000, areas: [{ offset: 0, size: 0x1000 }] }, "ERR_ARGUMENT", /no memory/],
      [
        { index: 0, memory, areas: [{ offset: 0, size: 0x2000 }] },
        "ERR_REGION_LAYOUT",
        /region 0 of the device/,
      ],
    ];
    for (const [region, code, message] of bad) assert.throws(() => serveRegion(region), { code, message });
    memory.close();
  });
});
