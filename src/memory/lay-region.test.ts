import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants } from "node:os";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { HugebarError } from "../errors.ts";
import { arrangeAreas, gapsOf, type Area } from "../layout/areas.ts";
import { GIB, MIB } from "../layout/sizes.ts";
import { strategies } from "../layout/strategies.ts";
import * as c from "../system/constants.ts";
import { cover } from "./cover.ts";
import { layRegion, type LaidRegion, type LayRequest } from "./lay-region.ts";
import { linux } from "../system/libc.ts";
import { createMemfd } from "./memfd.ts";
import { assertLeavesNothing, mapsLines, readMaps } from "./own-maps.fixture.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { watchedSystem } from "../system/watched-system.fixture.ts";

const PAGE = linux.pageSize;
const FILE_SIZE = 512 * GIB;
const fd = createMemfd("lay-region-test", FILE_SIZE, linux);
after(() => linux.close(fd));

function request(parts: Partial<LayRequest>): LayRequest {
  return {
    region: "2 of a test",
    size: 16 * MIB,
    areas: [{ offset: 0, size: 16 * MIB }],
    strategy: "region",
    gaps: "unmap",
    protection: c.PROT_READ | c.PROT_WRITE,
    fd,
    fdOffset: 0,
    physical: 0x4000_0060_0000n,
    ...parts,
  };
}

/** Every second of `2 × count` steps of 16 pages is an area; the first step is a gap. */
function comb(count: number): { size: number; areas: Area[] } {
  const step = 16 * PAGE;
  const areas = Array.from({ length: count }, (_, index) => ({ offset: (2 * index + 1) * step, size: step }));
  return { size: (2 * count + 1) * step, areas };
}

const fileLines = () => mapsLines().filter(({ path }) => path.includes("lay-region-test"));

function withLaid(
  parts: Partial<LayRequest>,
  check: (laid: LaidRegion) => void,
  system: System = linux,
): void {
  assertLeavesNothing(() => {
    const laid = layRegion(request(parts), system);
    try {
      check(laid);
    } finally {
      laid.release();
    }
  });
}

describe("layRegion", () => {
  it("maps the design's worked case at a multiple of 1 GiB, and leaves nothing of the reservation", () => {
    const size = 0x40_0000_0000;
    const area = { offset: 0, size: 0x2f_00f0_0000 };
    withLaid({ size, areas: [area], fdOffset: PAGE }, ({ base, alignment, areas }) => {
      assert.equal(alignment, GIB);
      assert.equal(base % BigInt(GIB), 0n);
      assert.deepEqual(areas, [{ ...area, address: base }]);
      const [line, ...more] = fileLines();
      assert.deepEqual(more, []);
      assert.equal(line?.start, base);
      assert.equal(line?.end, base + BigInt(area.size));
      assert.equal(line?.permissions, "rw-s");
      assert.equal(line?.offset, PAGE);
      const end = base + BigInt(size);
      assert.deepEqual(
        mapsLines().filter((each) => each.start >= base && each.start < end),
        [line],
      );
    });
  });

  for (const strategy of strategies) {
    it(`shows the file's bytes at each area's place: ${strategy}`, () => {
      const { size, areas } = comb(3);
      withLaid({ size, areas, strategy, fdOffset: 32 * PAGE }, (laid) => {
        for (const { offset, address } of laid.areas) {
          linux.pwrite(fd, Uint8Array.of(offset / PAGE), 32 * PAGE + offset);
          const view = linux.view(address, 1);
          assert.equal(new Uint8Array(view)[0], offset / PAGE);
          linux.detach(view);
        }
        assert.deepEqual(
          laid.areas.map(({ offset, size }) => ({ offset, size })),
          areas,
        );
      });
    });
  }

  it("aligns each area by its own size, or not at all", () => {
    const areas = [
      { offset: 0, size: 4 * MIB },
      { offset: 8 * MIB, size: 3 * PAGE },
    ];
    withLaid({ areas, strategy: "area" }, (laid) => {
      assert.equal((laid.areas[0]?.address ?? 1n) % BigInt(4 * MIB), 0n);
      assert.equal(laid.alignment, PAGE);
    });
    withLaid({ areas, strategy: "none" }, (laid) => assert.equal(laid.alignment, PAGE));
  });

  it("puts the base where the physical address stands, modulo the alignment", () => {
    const physical = 0x4000_0060_0000n;
    const areas = [{ offset: 0, size: 32 * GIB }];
    withLaid({ size: 128 * GIB, areas, strategy: "physical", physical }, ({ base }) => {
      assert.equal(base % BigInt(GIB), physical % BigInt(GIB));
    });
    assertLeavesNothing(() => {
      for (const [wrong, message] of [
        [null, /is not known/],
        [0x1001n, /\(0x1001\) is not on a page/],
      ] as const) {
        assert.throws(() => layRegion(request({ strategy: "physical", physical: wrong }), linux), message);
      }
    });
  });

  it("keeps guarded gaps unreachable, and gives them back at the end", () => {
    const { size, areas } = comb(2);
    withLaid({ size, areas, gaps: "guard" }, ({ base }) => {
      const end = base + BigInt(size);
      const inside = mapsLines().filter((line) => line.end > base && line.start < end);
      // Neighbours may have joined: ours is what lies between.
      const permissionsAt = (offset: number) =>
        inside.find((line) => line.start <= base + BigInt(offset) && base + BigInt(offset) < line.end)
          ?.permissions;
      for (const gap of gapsOf(size, areas)) {
        assert.equal(permissionsAt(gap.offset), "---p");
        assert.equal(permissionsAt(gap.offset + gap.size - PAGE), "---p");
      }
      for (const area of areas) assert.equal(permissionsAt(area.offset), "rw-s");
    });
  });

  it("takes the protection from the request", () => {
    withLaid({ protection: c.PROT_READ }, () => assert.equal(fileLines()[0]?.permissions, "r--s"));
  });

  it("maps nothing where there is no area", () => {
    const system = watchedSystem();
    const laid = layRegion(request({ areas: [] }), system);
    laid.release();
    assert.deepEqual(system.calls, []);
    assert.deepEqual({ base: laid.base, areas: laid.areas }, { base: 0n, areas: [] });
  });

  it("releases once, and never the gaps", () => {
    const { size, areas } = comb(2);
    const system = watchedSystem();
    const laid = layRegion(request({ size, areas }), system);
    // In the gap between the areas another thread has mapped something.
    const between = laid.base + BigInt(2 * 16 * PAGE);
    const flags = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED_NOREPLACE;
    assert.equal(linux.mmap(between, 16 * PAGE, c.PROT_READ, flags, -1, 0), between);
    laid.release();
    laid.release();
    assert.ok(mapsLines().some(({ start, end }) => start <= between && between < end));
    linux.munmap(between, 16 * PAGE);
  });

  it("leaves an area to another owner, and lays it again where something else lies", () => {
    const { size, areas } = comb(2);
    const laid = layRegion(request({ size, areas }), linux);
    const [own] = laid.areas;
    assert.ok(own !== undefined);
    const inPlace = () =>
      fileLines().some(({ start, offset }) => start === own.address && offset === own.offset);
    assert.equal(cover(own.address, own.size, linux), true);
    assert.equal(inPlace(), false);
    laid.layAgain(own, true);
    assert.equal(inPlace(), true);
    laid.disown(own);
    laid.release();
    assert.equal(fileLines().length, 1);
    linux.munmap(own.address, own.size);
    assert.deepEqual(fileLines(), []);
  });

  it("leaves harmless memory where an area cannot be laid again", () => {
    const { size, areas } = comb(2);
    const failing = { ...linux };
    const laid = layRegion(request({ size, areas }), failing);
    const [, second] = laid.areas;
    assert.ok(second !== undefined);
    cover(second.address, second.size, linux);
    failing.mmap = (address, length, protection, flags, file, offset) => {
      if (file !== fd) return linux.mmap(address, length, protection, flags, file, offset);
      // As the kernel does where the file's driver refuses.
      linux.munmap(address, length);
      throw new SystemCallError("mmap", constants.errno.ENODEV);
    };
    assert.throws(() => laid.layAgain(second, true), {
      code: "ERR_REGION_MAP",
      message: /area 1 \(0x.*ENODEV/,
    });
    const view = linux.view(second.address, second.size);
    assert.equal(new Uint8Array(view)[0], 0);
    linux.detach(view);
    laid.release();
  });

  it("says which area failed, where, with which call, and tells the listener after undoing all", () => {
    const { size, areas } = comb(3);
    const told: unknown[] = [];
    const closed = linux.memfd_create("closed", c.MFD_CLOEXEC);
    linux.close(closed);
    const onFault = (area: Area | null, { call, code }: SystemCallError): void => {
      told.push({ area, call, code, undone: !readMaps().includes("lay-region-test") });
    };
    assert.throws(
      () => layRegion(request({ size, areas, fd: closed, onFault }), linux),
      (error) => {
        assert.ok(error instanceof HugebarError && error.cause instanceof SystemCallError);
        assert.equal(error.code, "ERR_REGION_MAP");
        assert.equal(error.cause.errno, constants.errno.EBADF);
        const place = `area 0 (0x${areas[0]?.offset.toString(16)}+0x${(16 * PAGE).toString(16)})`;
        assert.equal(
          error.message,
          `Cannot map region 2 of a test: ${place}: mmap failed with EBADF (bad file descriptor)`,
        );
        return true;
      },
    );
    assert.deepEqual(told, [{ area: areas[0], call: "mmap", code: "EBADF", undone: true }]);
  });

  it("refuses sizes that no address space holds", () => {
    assertLeavesNothing(() => {
      for (const size of [2 ** 53 - 1, 2 ** 48]) {
        const areas = [{ offset: 0, size: PAGE }];
        assert.throws(
          () => layRegion(request({ size, areas }), linux),
          /reserving address space for 0x[0-9a-f]+ bytes: mmap failed with ENOMEM \(not enough memory\); raise the limits/,
        );
      }
    });
  });
});

describe("layRegion: system calls", () => {
  it("makes no more of them than QEMU for the same region", () => {
    const shape = fc.record({
      pages: fc.uniqueArray(fc.nat(400), { minLength: 2, maxLength: 40 }),
      tail: fc.nat(3),
      gaps: fc.constantFrom("unmap" as const, "guard" as const),
    });
    fc.assert(
      fc.property(shape, ({ pages, tail, gaps }) => {
        const edges = pages.toSorted((a, b) => a - b);
        const areas: Area[] = [];
        for (let index = 0; index + 1 < edges.length; index += 2) {
          const [start = 0, end = 0] = edges.slice(index, index + 2);
          areas.push({ offset: start * PAGE, size: (end - start) * PAGE });
        }
        const size = Math.max(...edges) * PAGE + tail * PAGE + 1;
        const system = watchedSystem();
        const laid = layRegion(request({ size, areas: arrangeAreas(size, areas, PAGE), gaps }), system);
        const mapping = system.calls.length;
        laid.release();
        const last = areas.at(-1);
        const covered = last !== undefined && last.offset + last.size >= size;
        // The patch: reserve, trim head and tail; per area unmap the gap before it and map; unmap the rest.
        assert.ok(
          mapping <= 3 + 2 * areas.length + (covered ? 0 : 1),
          `${mapping} for ${areas.length} areas`,
        );
        // And when it ends, one munmap per area.
        assert.ok(system.calls.length - mapping <= areas.length);
      }),
      { numRuns: 50 },
    );
  });

  it("joins what it unmaps: the worked case takes five, and one to release", () => {
    const system = watchedSystem();
    const areas = [{ offset: 0, size: 0x2f_00f0_0000 }];
    const laid = layRegion(request({ size: 0x40_0000_0000, areas }), system);
    const order = system.calls.join(" ").replace("munmap munmap", "munmap"); // no head where the kernel's choice is aligned
    assert.equal(order, "mmap mmap madvise munmap");
    const before = system.calls.length;
    laid.release();
    assert.equal(system.calls.length, before + 1);
  });
});

describe("layRegion: every call failing in turn", () => {
  for (const count of [1, 2, 50]) {
    for (const strategy of strategies) {
      for (const gaps of ["unmap", "guard"] as const) {
        it(`${count} areas, ${strategy}, ${gaps}`, () => {
          const wanted = request({ ...comb(count), strategy, gaps });
          let failing = 0;
          const oneMore = (): boolean => {
            let failed = false;
            assertLeavesNothing(() => (failed = layWithFault(wanted, failing)));
            return failed;
          };
          while (oneMore()) failing += 1;
          assert.ok(failing > count + 1, "no call failed");
        });
      }
    }
  }

  it("keeps the first error where undoing fails too", () => {
    const { size, areas } = comb(2);
    for (const [strategy, failing] of [
      ["none", 2],
      ["area", 4],
      ["region", 3],
    ] as const) {
      let mmaps = 0;
      const system = watchedSystem((_, call) => {
        mmaps += call === "mmap" ? 1 : 0;
        return mmaps >= failing;
      });
      assert.throws(
        () => layRegion(request({ size, areas, strategy }), system),
        (error) =>
          error instanceof HugebarError && /: area 1 .*: mmap failed with ENOMEM/.test(error.message),
      );
      assert.equal(system.calls.at(-1), "munmap");
    }
  });
});

/** Maps and releases with call number `failing` failing; returns whether it came to that. */
function layWithFault(wanted: LayRequest, failing: number): boolean {
  const system = watchedSystem((index) => index === failing);
  let laid: LaidRegion;
  try {
    laid = layRegion(wanted, system);
  } catch (error) {
    assert.ok(error instanceof HugebarError && error.cause instanceof SystemCallError);
    assert.equal(error.code, "ERR_REGION_MAP");
    assert.equal(error.cause.call, system.calls[failing]);
    return true;
  }
  const failedAlready = system.calls.length > failing;
  if (failedAlready) assert.equal(system.calls[failing], "madvise");
  assert.equal(laid.advised, !failedAlready);
  try {
    laid.release();
  } catch (error) {
    assert.ok(error instanceof HugebarError && error.code === "ERR_SYSTEM");
    assert.equal(system.calls[failing], "munmap");
    laid.release();
  }
  return system.calls.length > failing;
}

describe("layRegion: a driver that refuses late", () => {
  const MFD_HUGETLB = 0x4;

  it("leaves nothing, though the failed MAP_FIXED has made a hole", () => {
    // hugetlbfs refuses in its mmap method, having no such memory, when the kernel has already unmapped the place.
    const huge = linux.memfd_create("hugetlb", c.MFD_CLOEXEC | MFD_HUGETLB);
    linux.ftruncate(huge, 1024 * GIB);
    const areas = [{ offset: GIB, size: 256 * GIB }];
    assertLeavesNothing(() => {
      assert.throws(
        () => layRegion(request({ size: 512 * GIB, areas, fd: huge }), watchedSystem()),
        /area 0 .* mmap failed with ENOMEM/,
      );
    });
    linux.close(huge);
  });

  it("does not unmap what another thread has mapped there since", () => {
    const { size, areas } = comb(3);
    const foreign: bigint[] = [];
    const watched = watchedSystem();
    const system: System = {
      ...watched,
      mmap(address, length, protection, flags, file, offset) {
        if (file === fd && offset === areas[1]?.offset) {
          linux.munmap(address, length);
          const anonymous = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED_NOREPLACE;
          foreign.push(
            linux.mmap(address + BigInt(PAGE), PAGE, c.PROT_READ | c.PROT_WRITE, anonymous, -1, 0),
          );
          throw new SystemCallError("mmap", constants.errno.ENODEV);
        }
        return watched.mmap(address, length, protection, flags, file, offset);
      },
    };
    assertLeavesNothing(() => {
      assert.throws(() => layRegion(request({ size, areas }), system), /area 1 .*ENODEV/);
      const address = foreign.pop();
      assert.ok(address !== undefined);
      const view = linux.view(address, PAGE);
      new Uint8Array(view).fill(1); // a fatal signal if it was unmapped
      linux.detach(view);
      linux.munmap(address, PAGE);
    });
  });
});

describe("layRegion: other threads mapping all the while", () => {
  it("touches no foreign mapping in 10,000 rounds", () => {
    const script = fileURLToPath(import.meta.resolve("./churn.fixture.ts"));
    const output = execFileSync(process.execPath, [script, "10000"], { encoding: "utf8", timeout: 120_000 });
    const result: unknown = JSON.parse(output);
    assert.ok(typeof result === "object" && result !== null && "rounds" in result && "verified" in result);
    assert.equal(result.rounds, 10_000);
    assert.ok(Number(result.verified) > 1000, `workers verified ${String(result.verified)} mappings`);
  });
});
