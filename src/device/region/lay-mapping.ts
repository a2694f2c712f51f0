/** Lays a device's region into this process, as `region.map` is told to, and tells who listens. */

import { arch, release } from "node:os";
import { hugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";
import { kernelArch } from "../../layout/paging.ts";
import { roundUp } from "../../layout/sizes.ts";
import type { Strategy } from "../../layout/strategies.ts";
import { layRegion, type LaidRegion } from "../../memory/lay-region.ts";
import { PROT_READ, PROT_WRITE } from "../../system/constants.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { guardMisaligned } from "../leaves/guard-misaligned.ts";
import type { MappedRegion } from "../leaves/mapped-region.ts";
import { publish } from "./diagnostics.ts";

/** What is laid, and how. */
export interface MappingRequest {
  readonly region: MappedRegion;
  /** Arranged, and at least one. */
  readonly areas: readonly Area[];
  readonly strategy: Strategy;
  readonly gaps: "unmap" | "guard";
  /** The file to map from; null where the device gave none. */
  readonly fd: number | null;
}

export interface LaidMapping {
  readonly laid: LaidRegion;
  /** Whether huge leaves had to be forbidden, since this kernel would lay them over the wrong memory. */
  readonly guarded: boolean;
}

/** @throws ERR_REGION_MAP; nothing is left behind then */
export function layMapping(request: MappingRequest, system: System): LaidMapping {
  const { region, strategy } = request;
  const laid = lay(request, system);
  const guarded = guard(region, laid, system);
  publish("region.map", {
    device: region.deviceName,
    region: region.index,
    strategy,
    base: laid.base,
    alignment: laid.alignment,
    areas: laid.areas,
  });
  return { laid, guarded };
}

function lay({ region, areas, strategy, gaps, fd }: MappingRequest, system: System): LaidRegion {
  if (fd === null) {
    throw hugebarError("ERR_REGION_MAP", {
      region: region.name,
      problem: "the device lists mappable areas and gave no file to map them from",
    });
  }
  const publishFault = (area: Area | null, cause: SystemCallError): void => {
    const { offset, size } = area ?? { offset: 0, size: region.size };
    publish("region.mapFault", {
      device: region.deviceName,
      region: region.index,
      area,
      fileRange: { start: region.fdOffset + offset, end: region.fdOffset + offset + size },
      errno: cause.errno,
      call: cause.call,
    });
  };
  return layRegion(
    {
      region: region.name,
      size: roundUp(region.size, system.pageSize),
      areas,
      strategy,
      gaps,
      protection: (region.readable ? PROT_READ : 0) | (region.writable ? PROT_WRITE : 0),
      fd,
      fdOffset: region.fdOffset,
      physical: region.physical,
      onFault: publishFault,
    },
    system,
  );
}

function guard(region: MappedRegion, laid: LaidRegion, system: System): boolean {
  const kernel = { release: release(), arch: kernelArch(arch()) };
  try {
    return guardMisaligned(region, laid.areas, kernel, system);
  } catch (error) {
    laid.release();
    if (!(error instanceof SystemCallError)) throw error;
    const problem = `this kernel would show wrong memory, and forbidding its huge pages failed: ${error.message}`;
    throw hugebarError("ERR_REGION_MAP", { region: region.name, problem }, error);
  }
}
