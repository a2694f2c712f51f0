/**
 * What a mapping of huge memory really costs on this machine, by its alignment: a part of the demo's region is given
 * huge pages once, and then each mapping of it is touched page by page.
 */

import { readHostKernel, requireModel } from "../../device/leaves/host-kernel.ts";
import type { Mapping } from "../../device/region/mapping.ts";
import type { Region } from "../../device/region/region.ts";
import { faultsOf } from "../../layout/leaves.ts";
import { predictLayout } from "../../layout/prediction.ts";
import { formatSize, MIB } from "../../layout/sizes.ts";
import { MADV_COLLAPSE, MADV_POPULATE_WRITE } from "../../system/constants.ts";
import { readMemoryCounters } from "../../memory/counters.ts";
import { openFaultAddresses } from "../../memory/fault-addresses.ts";
import type { Measurement } from "../../report/demo-report.ts";
import { linux } from "../../system/libc.ts";
import { SystemCallError } from "../../system/system.ts";

/** The part of the region that is measured: this much memory the demo takes. */
export const MEASURED_PART = { offset: 0, size: 64 * MIB } as const;

/**
 * Gives the measured part of the region's file huge pages, and returns null; or why this machine has none for it.
 */
export function prepareMeasurement(region: Region): string | null {
  const { model, shmemEnabled } = requireModel(readHostKernel(linux));
  if (model.pmdSize > MEASURED_PART.size) {
    return `a huge page of this machine has ${formatSize(model.pmdSize)}, more than the demo takes`;
  }
  const mapping = region.map({ areas: [MEASURED_PART] });
  try {
    makeHuge(mapping.areas[0]?.address ?? 0n, shmemEnabled);
    // Once without counting: what the engine compiles and allocates the first time is not the mapping's cost.
    measure(mapping);
    return null;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const setting = `transparent_hugepage/shmem_enabled is ${shmemEnabled ?? "absent"}`;
    return `this machine has no huge pages for shared memory (${setting}; MADV_COLLAPSE, ${error.message})`;
  } finally {
    mapping.close();
  }
}

function makeHuge(address: bigint, shmemEnabled: string | null): void {
  linux.madvise(address, MEASURED_PART.size, MADV_POPULATE_WRITE);
  // Where the setting allows huge pages, they are there by now.
  const allowed = shmemEnabled !== null && shmemEnabled !== "never" && shmemEnabled !== "deny";
  try {
    // Linux 6.1: makes them even where the setting is never, as it mostly is, because they are asked for by name.
    linux.madvise(address, MEASURED_PART.size, MADV_COLLAPSE);
  } catch (error) {
    if (!allowed) throw error;
  }
}

/** Touches the measured part of a mapping and compares what that took with what was to be expected. */
export function measure(mapping: Mapping): Measurement {
  const address = mapping.areas[0]?.address ?? 0n;
  // For a file, congruence with its offset takes the place of the physical address; it has PMD leaves at most.
  const part = { address, size: MEASURED_PART.size, physical: BigInt(mapping.region.fdOffset) };
  const model = { ...requireModel(readHostKernel(linux)).model, pudLeaf: false };
  const expected = predictLayout([part], model, "open");

  const bytes = new Uint8Array(mapping.view(MEASURED_PART.offset, MEASURED_PART.size));
  const before = readMemoryCounters();
  const measured = countFaults(bytes, address);
  const after = readMemoryCounters();
  return {
    measuredBy: measured === null ? "counters" : "addresses",
    faults: {
      predicted: faultsOf(expected.leaves),
      measured: measured ?? after.minorFaults - before.minorFaults,
    },
    pageTableBytes: {
      predicted: expected.pageTableBytes,
      measured: after.vmPteBytes - before.vmPteBytes,
    },
  };
}

/**
 * Writes all of it and counts the faults in it by their addresses; null where the kernel does not tell them. It writes: on a
 * read the kernel maps neighbours along (fault-around), which a device's memory never has.
 */
function countFaults(bytes: Uint8Array, address: bigint): number | null {
  const recorder = openFaultAddresses(linux);
  if (typeof recorder === "string") {
    // One call, in which the engine does nothing of its own.
    bytes.fill(0);
    return null;
  }
  try {
    let count = 0;
    recorder.take();
    for (let at = 0; at < bytes.length; at += MIB) {
      bytes.fill(0, at, at + MIB);
      const { addresses } = recorder.take();
      count += addresses.filter((each) => each >= address && each < address + BigInt(bytes.length)).length;
    }
    return count;
  } finally {
    recorder.close();
  }
}
