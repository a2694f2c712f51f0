import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants } from "node:os";
import { afterEach, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { MIB } from "../../layout/sizes.ts";
import { openFaultAddresses } from "../../memory/fault-addresses.ts";
import { linux } from "../../system/libc.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { Device } from "../device.ts";
import { judgeCounters, judgeLeaves } from "./measure-leaves.ts";
import {
  memfdTransport,
  type MapOptions,
  type Mapping,
  type MemfdRegion,
} from "../memfd-transport.fixture.ts";

const PAGE = linux.pageSize;
const opened: Device[] = [];
afterEach(() => {
  for (const device of opened.splice(0)) device.close();
});

/** As a process that may not have perf events: perf_event_paranoid above 2, a filter of system calls. */
const unpermitted: System = {
  ...linux,
  perf_event_open() {
    throw new SystemCallError("perf_event_open", constants.errno.EACCES);
  },
};
const addresses = openFaultAddresses(linux);
if (typeof addresses !== "string") addresses.close();
/** Why this machine cannot measure by addresses; false where it can. */
const skip = typeof addresses === "string" ? addresses : false;

function map(region: MemfdRegion, options: MapOptions = {}, system: System = linux): Mapping {
  const device = new Device(memfdTransport([region]), system);
  opened.push(device);
  return device.region(0).map(options);
}

/** Each page once, and none of it was there. */
function proves(bar: Mapping): void {
  const proof = bar.verify({ offset: 8 * MIB, length: 16 * MIB });
  assert.equal(proof.verdict, "agrees", JSON.stringify(proof));
  assert.equal(proof.bytes, 16 * MIB);
  assert.equal(bar.verify({ offset: 8 * MIB, length: 16 * MIB }).verdict, "inconclusive", "touched before");
  assert.equal(bar.verify({ offset: 32 * MIB, maxLeaves: 2 }).leaves[0]?.count, 2);
}

/** As a device that takes accesses of 4 bytes alone, QEMU's edu for one. */
function readsWords(t: TestContext, system: System): void {
  for (const size of [PAGE, 4 * MIB, 5 * PAGE - 8]) {
    const bar = map({ size }, {}, system);
    const bytes = t.mock.method(bar, "read8");
    const words = t.mock.method(bar, "read32");
    bar.verify();
    assert.equal(bytes.mock.callCount(), 0);
    const offsets = words.mock.calls.map((call) => call.arguments[0]);
    assert.ok(offsets.length >= Math.ceil(size / (4 * MIB)));
    assert.ok(offsets.every((offset) => offset % 4 === 0 && offset + 4 <= size));
  }
}

describe("verify, leaf by leaf", { skip }, () => {
  it("proves the leaves that it took, and counts their faults and no other", () => {
    const bar = map({ size: 64 * MIB });
    proves(bar);
    const { faults, found, measuredBy, whyCounters } = bar.verify({ offset: 40 * MIB, length: 4 * MIB });
    assert.deepEqual([measuredBy, whyCounters], ["addresses", null]);
    assert.equal(faults.measured, faults.predicted);
    const { predicted } = faults;
    assert.deepEqual(found, { asPredicted: predicted, smaller: 0, alreadyThere: 0, lost: false });
  });

  it("tells a page that was there from those that were not", () => {
    const bar = map({ size: 64 * MIB });
    bar.read8(3 * PAGE);
    const { found, verdict } = bar.verify({ length: 16 * PAGE });
    if (found?.asPredicted === 15) assert.deepEqual([found.alreadyThere, verdict], [1, "inconclusive"]);
    else assert.notEqual(verdict, "agrees", "huge pages: the leaf was there");
  });

  it("keeps its touches in regions of any size", () => {
    for (const size of [1, 0x800, 0x1800, PAGE, 5 * PAGE - 8]) {
      const proof = map({ size }).verify();
      assert.equal(proof.verdict, "agrees", `${size}: ${JSON.stringify(proof)}`);
      assert.equal(proof.faults.predicted, Math.ceil(size / PAGE));
    }
  });

  it("reads whole words only: some devices refuse bytes", (t) => {
    readsWords(t, linux);
  });

  it("closes what it opened", () => {
    const closed: number[] = [];
    let fd = -1;
    const system: System = {
      ...linux,
      perf_event_open: (...call) => (fd = linux.perf_event_open(...call)),
      close(each) {
        closed.push(each);
        linux.close(each);
      },
    };
    map({ size: PAGE }, {}, system).verify();
    assert.ok(closed.includes(fd));
    const failing: System = {
      ...system,
      mmap(address, length, protection, flags, file, offset) {
        if (file === fd && fd !== -1) throw new SystemCallError("mmap", constants.errno.EPERM);
        return linux.mmap(address, length, protection, flags, file, offset);
      },
    };
    closed.length = 0;
    fd = -1;
    const { whyCounters } = map({ size: PAGE }, {}, failing).verify();
    assert.match(whyCounters ?? "", /^mmap failed with EPERM; kernel.perf_event_paranoid is /);
    assert.ok(closed.includes(fd));
  });
});

describe(
  "verify by an ordinary user",
  { skip: process.getuid?.() !== 0 && "only root becomes another user" },
  () => {
    it("measures by addresses, or by the counters and says why", () => {
      const fixture = fileURLToPath(import.meta.resolve("./verify.fixture.ts"));
      const text = execFileSync(process.execPath, [fixture], { encoding: "utf8", uid: 65534, gid: 65534 });
      assert.match(text, /^agrees (addresses null|counters perf_event_open failed with \w+.*)\n$/);
    });
  },
);

describe("verify, where the kernel does not tell addresses", () => {
  it("goes by the counters, and says why", () => {
    const bar = map({ size: 64 * MIB }, {}, unpermitted);
    proves(bar);
    const { measuredBy, whyCounters, found } = bar.verify({ offset: 40 * MIB, length: MIB });
    assert.deepEqual([measuredBy, found], ["counters", null]);
    assert.match(
      whyCounters ?? "",
      /^perf_event_open failed with EACCES; kernel.perf_event_paranoid is -?\d$/,
    );
  });

  it("keeps its touches in regions of any size", () => {
    for (const size of [1, 0x800, 0x1800]) map({ size }, {}, unpermitted).verify();
  });

  it("reads whole words only", (t) => {
    readsWords(t, unpermitted);
  });

  it("differs only where nearly every touch faults, or tables grow beyond reason", () => {
    const tables = { predicted: 4096, measured: 4096 };
    assert.equal(judgeCounters({ predicted: 100, measured: 140 }, tables, 10), "agrees");
    assert.equal(judgeCounters({ predicted: 100, measured: 900 }, tables, 10), "differs");
    assert.equal(judgeCounters({ predicted: 100, measured: 99 }, tables, 10), "inconclusive");
    assert.equal(
      judgeCounters({ predicted: 1, measured: 1 }, { predicted: 0, measured: MIB }, 10),
      "differs",
    );
    assert.equal(judgeCounters({ predicted: 0, measured: 40 }, tables, 1024), "inconclusive");
  });
});

for (const [name, system] of Object.entries({ addresses: linux, counters: unpermitted })) {
  describe(`verify of nothing, by ${name}`, () => {
    it("neither agrees nor differs", () => {
      const bar = map({ size: 4 * PAGE }, {}, system);
      for (const proof of [
        bar.verify({ length: 0 }),
        bar.verify({ offset: 4 * PAGE }),
        map({ size: 4 * PAGE }, { map: false }, system).verify(),
        map({ size: 4 * PAGE, areas: [] }, {}, system).verify(),
      ]) {
        assert.deepEqual([proof.verdict, proof.bytes, proof.leaves], ["inconclusive", 0, []]);
      }
    });

    it("refuses what is no part of the region, and no number", () => {
      const bar = map({ size: 4 * PAGE }, {}, system);
      for (const options of [
        { offset: 4 * PAGE + 1 },
        { offset: -1 },
        { offset: 0.5 },
        { length: -1 },
        { length: NaN },
        { length: Infinity },
        { maxLeaves: NaN },
        { maxLeaves: 0 },
        { maxLeaves: 1.5 },
      ]) {
        assert.throws(() => bar.verify(options), { code: "ERR_ARGUMENT" }, JSON.stringify(options));
      }
    });
  });
}

describe("judgeLeaves", () => {
  it("differs where any leaf was smaller, and agrees only where all were as predicted", () => {
    const found = { asPredicted: 5, smaller: 0, alreadyThere: 0, lost: false };
    assert.equal(judgeLeaves(found), "agrees");
    assert.equal(judgeLeaves({ ...found, smaller: 1, alreadyThere: 3 }), "differs");
    assert.equal(judgeLeaves({ ...found, alreadyThere: 1 }), "inconclusive");
    assert.equal(judgeLeaves({ ...found, lost: true }), "inconclusive");
    assert.equal(judgeLeaves({ ...found, asPredicted: 0 }), "inconclusive");
  });
});
