/** Where this thread's page faults are, by a perf event. */

import { readFileSync } from "node:fs";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../system/constants.ts";
import {
  EXCLUDE_HV,
  EXCLUDE_KERNEL,
  PERF_COUNT_SW_PAGE_FAULTS,
  PERF_EVENT_ATTR,
  PERF_FLAG_FD_CLOEXEC,
  PERF_SAMPLE_ADDR,
  PERF_TYPE_SOFTWARE,
  readRing,
  type PerfSamples,
} from "../system/perf-event.ts";
import { SystemCallError, type System } from "../system/system.ts";

/** 256 KiB, half of what an ordinary user may lock for it (perf_event_mlock_kb): 16,384 faults between two readings. */
const RING_SIZE = 256 * 1024;

/** Page faults of this thread, from its opening until it is closed. */
export interface FaultAddresses {
  /** Those since the last time, in order. */
  take(): PerfSamples;
  close(): void;
}

/**
 * @param of whose accesses: of user space alone, as an ordinary user may ask, or of the kernel as well
 * @returns or, in words, why this process may not have it
 */
export function openFaultAddresses(system: System, of: "user" | "all" = "user"): FaultAddresses | string {
  const { pageSize } = system;
  const attr = PERF_EVENT_ATTR.encode({
    type: PERF_TYPE_SOFTWARE,
    size: PERF_EVENT_ATTR.size,
    config: PERF_COUNT_SW_PAGE_FAULTS,
    sample_period: 1n,
    sample_type: PERF_SAMPLE_ADDR,
    flags: of === "user" ? EXCLUDE_KERNEL | EXCLUDE_HV : EXCLUDE_HV,
  });
  try {
    const fd = system.perf_event_open(attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    try {
      const size = pageSize + Math.max(RING_SIZE, pageSize);
      const address = system.mmap(0n, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      const ring = system.view(address, size);
      return {
        take: () => readRing(ring, pageSize),
        close() {
          system.detach(ring);
          system.munmap(address, size);
          system.close(fd);
        },
      };
    } catch (error) {
      system.close(fd);
      throw error;
    }
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return `${error.call} failed with ${error.code}${paranoid(error)}`;
  }
}

function paranoid({ code }: SystemCallError): string {
  if (code !== "EACCES" && code !== "EPERM") return "";
  try {
    return `; kernel.perf_event_paranoid is ${readFileSync("/proc/sys/kernel/perf_event_paranoid", "utf8").trim()}`;
  } catch {
    return "";
  }
}
