import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { hugebarError } from "../../errors.ts";
import { pagingModels } from "../../layout/paging.ts";
import { MIB } from "../../layout/sizes.ts";
import { MAP_NORESERVE, MFD_CLOEXEC, PROT_READ } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { SystemCallError } from "../../system/system.ts";
import type { IoAddressSpace } from "../../device/transport/transport.ts";
import { runPoints, type PointResult } from "../conform.ts";
import type { Observer } from "../observer.ts";
import type { Subject } from "../subject.ts";
import { dmaBuf, mappedForDma } from "./lent.ts";

const unused = (): never => assert.fail("no point asks for it");
const observer: Observer = {
  evidence: "tables",
  because: null,
  reach: () => true,
  touch: () => 2 * MIB,
  touchAnew: () => ({ leaf: 2 * MIB, faulted: false }),
  others: null,
  forget: () => undefined,
  close: () => undefined,
};

/** A file of 4 MiB in the place of a device, with what a point asks of it besides; and how much of it is mapped. */
function subjectFor(t: TestContext, device: Partial<Subject["device"]>) {
  const fd = linux.memfd_create("lent", MFD_CLOEXEC);
  t.after(() => linux.close(fd));
  linux.ftruncate(fd, 4 * MIB);
  const reserved = new Map<bigint, number>();
  const subject: Subject = {
    system: {
      ...linux,
      mmap(...args) {
        const address = linux.mmap(...args);
        if ((args[3] & MAP_NORESERVE) !== 0) reserved.set(address, args[1]);
        return address;
      },
      munmap(address, length) {
        linux.munmap(address, length);
        assert.equal(reserved.get(address), length);
        reserved.delete(address);
      },
    },
    model: pagingModels["x86-64"],
    fd,
    fdOffset: 0,
    size: 4 * MIB,
    protection: PROT_READ,
    advice: null,
    physical: 0n,
    kind: "prefetchable",
    device: {
      decodeMemory: unused,
      reset: unused,
      exportDmaBuf: unused,
      dma: null,
      isGone: () => false,
      ...device,
    },
  };
  return { subject, reserved };
}

async function run(subject: Subject, point: typeof mappedForDma): Promise<PointResult> {
  const [result] = await runPoints(subject, observer, {
    allowance: { closed: null, advice: null },
    points: [point],
  });
  assert.ok(result !== undefined);
  return result;
}

function spaceThat(map: () => void, limits?: IoAddressSpace["limits"]): IoAddressSpace {
  return {
    name: "0000:01:00.0",
    closed: false,
    map,
    unmap: () => undefined,
    limits:
      limits ??
      (() => ({
        usable: [{ first: 0n, last: 2n ** 40n }],
        alignment: 4096,
        pageSizes: null,
        entriesLeft: null,
      })),
    logDirty: unused,
  };
}

function refusing(errno: number): () => never {
  return () => {
    const details = { action: "map memory for DMA", problem: `errno ${errno}` };
    throw hugebarError("ERR_SYSTEM", details, new SystemCallError("ioctl", errno));
  };
}

describe("mapped_for_dma", () => {
  it("is not judged for want of memory that may be locked, and leaves nothing mapped", async (t) => {
    const { subject, reserved } = subjectFor(t, { dma: spaceThat(refusing(12)) });
    const { outcome, because } = await run(subject, mappedForDma);
    assert.deepEqual([outcome, because], ["not-judged", "Cannot map memory for DMA: errno 12"]);
    assert.equal(reserved.size, 0);
  });

  it("falls short where the kernel takes no such memory, and leaves nothing mapped", async (t) => {
    const { subject, reserved } = subjectFor(t, { dma: spaceThat(refusing(14)) });
    const { outcome, findings } = await run(subject, mappedForDma);
    assert.equal(outcome, "falls-short");
    assert.deepEqual(findings[0], {
      what: "2 MiB, mapped for DMA",
      due: "yes",
      found: "Cannot map memory for DMA: errno 14",
      holds: false,
    });
    assert.equal(reserved.size, 0);
  });

  it("goes on where even the limits are refused", async (t) => {
    const { subject, reserved } = subjectFor(t, { dma: spaceThat(unused, refusing(12)) });
    assert.equal((await run(subject, mappedForDma)).outcome, "not-judged");
    assert.equal(reserved.size, 0);
  });
});

describe("dma_buf", () => {
  it("is not judged where the kernel makes none", async (t) => {
    const exportDmaBuf = (): never => {
      throw hugebarError("ERR_NOT_SUPPORTED", { action: "export region 2", problem: "no such feature" });
    };
    const { subject, reserved } = subjectFor(t, { exportDmaBuf });
    assert.equal((await run(subject, dmaBuf)).outcome, "not-judged");
    assert.equal(reserved.size, 0);
  });

  it("falls short where a kernel that makes them refuses this one", async (t) => {
    const { subject, reserved } = subjectFor(t, { exportDmaBuf: refusing(22) });
    const { outcome, findings } = await run(subject, dmaBuf);
    assert.equal(outcome, "falls-short");
    assert.deepEqual(findings.at(-1), { what: "ioctl", due: "done", found: "EINVAL", holds: false });
    assert.equal(reserved.size, 0);
  });
});
