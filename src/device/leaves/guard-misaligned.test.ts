import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GIB, MIB } from "../../layout/sizes.ts";
import { MADV_NOHUGEPAGE } from "../../system/constants.ts";
import { SystemCallError } from "../../system/system.ts";
import { guardMisaligned } from "./guard-misaligned.ts";
import { region } from "./mapped-region.fixture.ts";
import type { MappedRegion } from "./mapped-region.ts";

const aligned = { offset: 0, size: 2 * GIB, address: 0x7f0000000000n };
const off = { offset: 2 * GIB, size: 2 * GIB, address: 0x7f1000000000n + BigInt(MIB) };

/** Whether anything was guarded, and the calls that were made for it. */
function guarded(release: string, of: MappedRegion = region, areas = [aligned, off]) {
  const calls: (readonly [bigint, number, number])[] = [];
  const system = { pageSize: 4096, madvise: (...call: [bigint, number, number]) => void calls.push(call) };
  return { guarded: guardMisaligned(of, areas, { release, arch: "x86_64" }, system), calls };
}

describe("guardMisaligned", () => {
  it("forbids huge pages where the kernel would lay them over wrong memory, and only there", () => {
    for (const release of ["6.12.5", "6.12.9", "6.13.0-rc3"]) {
      const calls = [[off.address, off.size, MADV_NOHUGEPAGE]];
      assert.deepEqual(guarded(release), { guarded: true, calls });
      assert.deepEqual(guarded(release, region, [aligned]), { guarded: false, calls: [] });
    }
  });

  it("leaves other kernels, other handlers and emulated devices alone", () => {
    const none = { guarded: false, calls: [] };
    for (const release of ["6.11.11", "6.12.10", "6.12.107", "7.3.4"])
      assert.deepEqual(guarded(release), none);
    assert.deepEqual(guarded("6.12.5", { ...region, backing: "shared-memory", driver: null }), none);
    assert.deepEqual(guarded("6.12.5", { ...region, driver: "nvgrace-gpu-vfio-pci" }), none);
  });

  it("needs nothing of a kernel that has no huge pages, and fails where it must not go on", () => {
    const failing = (errno: number) => () =>
      guardMisaligned(
        region,
        [off],
        { release: "6.12.5", arch: "x86_64" },
        {
          pageSize: 4096,
          madvise() {
            throw new SystemCallError("madvise", errno);
          },
        },
      );
    assert.equal(failing(22)(), true);
    assert.throws(failing(12), { code: "ENOMEM" });
  });
});
