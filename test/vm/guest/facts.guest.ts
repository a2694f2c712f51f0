/**
 * Sees what this kernel does, whatever it is called: nothing of hugebar's own rules is asked. `provision/establish.ts`
 * keeps what comes out.
 */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { before, describe, it, type TestContext } from "node:test";

import { formatSize, GIB } from "../../../src/layout/sizes.ts";
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
} from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { openVfioDevice } from "../../../src/vfio/open-device.ts";
import { leavesTakenBy } from "./huge-faults.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import { bindTo } from "./pci.ts";
import { setTransparentHugepage, type TransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;
const { pageSize } = linux;
/** The largest leaf that the architecture has for device memory. */
const largest = arch() === "x64" ? GIB : (pageSize * pageSize) / 8;

before(() => bindTo(bdf));

describe("this kernel", () => {
  it("does what it does", async (t) => {
    const always = await leafUnder("always", t);
    const never = await leafUnder("never", t);
    assert.deepEqual(
      always,
      { leaf: largest, eligible: true },
      "no huge leaves, though all is as they need it",
    );
    assert.equal(never.leaf === largest, never.eligible, "the handler and THPeligible do not agree");
    const names = readFileSync("/proc/kallsyms", "utf8");
    const hasCdevs = existsSync("/dev/iommu") && existsSync("/dev/vfio/devices/vfio0");
    const facts = {
      release: release(),
      pageSize,
      asks: !never.eligible,
      groups: existsSync("/dev/vfio/vfio"),
      cdevs: hasCdevs,
      dmaBufs: / vfio_pci_core_feature_dma_buf\b/.test(names),
      kvm: hasKvm(),
      tables: existsSync("/sys/kernel/btf/vmlinux") && existsSync("/proc/kcore"),
      testDriver: existsSync("/sys/bus/pci/drivers/hugebar-gb200"),
      evidence: `vfio_pci_mmap_huge_fault, seen by a kprobe, laid ${inWords(always)} under "always" and ${inWords(never)} under "never"`,
    };
    t.diagnostic(`facts: ${JSON.stringify(facts)}`);
  });
});

interface Leaf {
  /** Of the one leaf that was laid, its size. */
  readonly leaf: number | undefined;
  readonly eligible: boolean;
}

/** Lays such a block as well as can be, advised, and touches it once. */
async function leafUnder(setting: TransparentHugepage, t: TestContext): Promise<Leaf> {
  setTransparentHugepage(setting);
  const transport = openVfioDevice(bdf, { api: "group" });
  const { fd, fdOffset } = transport.regionInfo(bar);
  assert.ok(fd !== null);
  const size = 2 * largest;
  const room = linux.mmap(0n, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  t.after(() => linux.munmap(room, size));
  const boundary = BigInt(largest);
  const address = ((room + boundary - 1n) / boundary) * boundary;
  try {
    linux.mmap(address, largest, PROT_READ, MAP_SHARED | MAP_FIXED, fd, fdOffset);
    linux.madvise(address, largest, MADV_HUGEPAGE);
    const eligible = eligibleAt(address);
    const bytes = new Uint8Array(linux.view(address, largest));
    const [taken, ...others] = await leavesTakenBy(() => void Atomics.load(bytes, 0));
    assert.equal(others.length, 0);
    return { leaf: taken?.size, eligible };
  } finally {
    linux.mmap(address, largest, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    transport.close();
  }
}

/** The kernel's own opinion of the mapping at an address. */
function eligibleAt(address: bigint): boolean {
  const smaps = readFileSync("/proc/self/smaps", "utf8");
  const start = smaps.indexOf(`${address.toString(16)}-`);
  const [, eligible] = /^THPeligible:\s+(\d)$/m.exec(smaps.slice(start)) ?? [];
  assert.ok(start >= 0 && eligible !== undefined);
  return eligible === "1";
}

function inWords({ leaf = 0, eligible }: Leaf): string {
  return `a leaf of ${formatSize(leaf)} (THPeligible: ${Number(eligible)})`;
}
