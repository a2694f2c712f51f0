/** What takes leaves out, and gives back what they took: memory decoding off, a reset, munmap. */

import { formatSize } from "../../layout/sizes.ts";
import { readMemoryCounters } from "../../memory/counters.ts";
import { MADV_NOHUGEPAGE } from "../../system/constants.ts";
import { type Bench, CannotJudge, leafText, type Point } from "../point.ts";
import type { Trial } from "../trial.ts";

const INVALIDATE = 'abafbc551fdd ("vfio-pci: Invalidate mmaps and block MMIO access on disabled memory")';

function touchedBlock(bench: Bench): Trial {
  const [largest = 0] = bench.hugeLeaves();
  const trial = bench.map({ size: largest });
  bench.expectLeaf(trial, 0, `${formatSize(largest)}, before`, largest);
  return trial;
}

function expectFault(bench: Bench, trial: Trial, what: string): void {
  const { leaf, faulted } = bench.observer.touchAnew(trial, 0);
  bench.note(`${what}: a fault`, "yes", faulted ? "yes" : "no");
  bench.note(`${what}: its leaf`, formatSize(bench.dueLeaf(trial, 0)), leafText(leaf));
}

export const decodingOff: Point = {
  name: "memory_decoding_off",
  about:
    "with memory decoding off nothing of the area can be reached; on again, it comes back with huge leaves",
  commits: [INVALIDATE],
  needsHugeLeaves: true,
  run(bench) {
    const { device } = bench.subject;
    const trial = touchedBlock(bench);
    if (!device.decodeMemory(false)) throw new CannotJudge("the device's memory decoding cannot be switched");
    let isThere: boolean;
    try {
      isThere = bench.observer.reach(trial, 0);
    } finally {
      device.decodeMemory(true);
    }
    bench.note("off: an access", "SIGBUS", isThere ? "reaches it" : "SIGBUS");
    expectFault(bench, trial, "on again");
  },
};

export const reset: Point = {
  name: "reset",
  about: "a reset takes the leaves out, and they come back as they were",
  commits: [INVALIDATE],
  needsHugeLeaves: true,
  run(bench) {
    const trial = touchedBlock(bench);
    if (!bench.subject.device.reset()) throw new CannotJudge("the device cannot be reset");
    expectFault(bench, trial, "after it");
  },
};

/** Tables for one page in each of so many blocks of a PMD. */
const BLOCKS = 64;

export const tablesGivenBack: Point = {
  name: "page_tables_given_back",
  about: "unmapping gives the page tables back",
  commits: [],
  needsHugeLeaves: false,
  run(bench) {
    const { model, subject } = bench;
    const blocks = Math.min(BLOCKS, Math.floor(subject.size / model.pmdSize));
    if (blocks < 8)
      throw new CannotJudge(
        `the area has ${formatSize(subject.size)}, too few for tables that can be told from others`,
      );
    const taken = (): number => readMemoryCounters().vmPteBytes;
    const before = taken();
    const trial = bench.map({ size: blocks * model.pmdSize, advice: MADV_NOHUGEPAGE });
    for (let block = 0; block < blocks; block += 1) bench.touch(trial, block * model.pmdSize);
    const most = taken() - before;
    bench.close();
    const left = taken() - before;
    const tables = blocks * model.pteTableSize;
    bench.note(`${blocks} tables taken`, "yes", most >= tables / 2 ? "yes" : `no: ${formatSize(most)}`);
    bench.note("given back", "yes", left < tables / 2 ? "yes" : `no: ${formatSize(left)} left`);
  },
};
