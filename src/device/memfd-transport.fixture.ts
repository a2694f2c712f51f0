/** For tests: a device whose regions are memfds of this process. Real memory to map, no server to ask. */

import { hugebarError } from "../errors.ts";
import type { Area } from "../layout/areas.ts";
import { linux } from "../system/libc.ts";
import { createMemfd } from "../memory/memfd.ts";
import type { RegionInfo, Transport } from "./transport/transport.ts";
import {
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from "./transport/vfio-abi.ts";

/** For tests of the rooms below those that have them. */
export type { Mapping } from "./region/mapping.ts";
export type { MapOptions } from "./region/region.ts";

export interface MemfdRegion {
  readonly size: number;
  readonly areas?: readonly Area[];
  readonly readable?: boolean;
  readonly writable?: boolean;
  readonly physical?: bigint;
  readonly backing?: RegionInfo["backing"];
}

/** A transport, and what was asked of it. */
export interface MemfdTransport extends Transport {
  /** `read 0x10+4` and the like, in order. */
  readonly requests: readonly string[];
}

/** A device with these regions, from index 0 on. */
export function memfdTransport(regions: readonly MemfdRegion[]): MemfdTransport {
  const requests: string[] = [];
  const descriptors = regions.map(({ size }, index) =>
    size === 0 ? null : createMemfd(`region ${index}`, size, linux),
  );
  const fdOf = (index: number): number => {
    const fd = descriptors[index];
    if (fd === undefined || fd === null) throw new Error(`no region ${index}`);
    return fd;
  };
  const unsupported = (action: string): never => {
    throw hugebarError("ERR_NOT_SUPPORTED", { action, problem: "a fixture has no such thing" });
  };
  return {
    name: "memfd:fixture",
    requests,
    info: () => ({ flags: 0, regionCount: regions.length, irqCount: 0 }),
    regionInfo(index): RegionInfo {
      const { size = 0, areas, readable = true, writable = true, physical = null } = regions[index] ?? {};
      const flags =
        VFIO_REGION_INFO_FLAG_MMAP |
        (readable ? VFIO_REGION_INFO_FLAG_READ : 0) |
        (writable ? VFIO_REGION_INFO_FLAG_WRITE : 0);
      return {
        index,
        size,
        flags,
        fdOffset: 0,
        areas: areas ?? [{ offset: 0, size }],
        fd: descriptors[index] ?? null,
        physical,
        driver: null,
        backing: regions[index]?.backing ?? "shared-memory",
      };
    },
    read(index, offset, target) {
      requests.push(`read 0x${offset.toString(16)}+${target.length}`);
      linux.pread(fdOf(index), target, offset);
    },
    write(index, offset, source) {
      requests.push(`write 0x${offset.toString(16)}+${source.length}`);
      linux.pwrite(fdOf(index), source, offset);
    },
    ioeventfds: () => [],
    reset: () => void requests.push("reset"),
    prepareToMap(index) {
      requests.push(`prepare ${index}`);
      return null;
    },
    irqInfo: (index) => ({ index, flags: 0, count: 0 }),
    setIrqs: () => unsupported("set interrupts"),
    controls: null,
    migration: null,
    dma: {
      name: "memfd:fixture",
      closed: false,
      map: () => unsupported("map memory for DMA"),
      unmap: () => unsupported("unmap memory for DMA"),
      limits: () => unsupported("tell of DMA"),
      logDirty: () => unsupported("log DMA"),
    },
    exportDmaBuf: () => unsupported("export a dma-buf"),
    abandon: () => {
      for (const fd of descriptors.splice(0)) if (fd !== null) linux.close(fd);
    },
    close() {
      for (const fd of descriptors.splice(0)) if (fd !== null) linux.close(fd);
    },
  };
}
