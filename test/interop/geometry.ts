/** Where another process has put the areas of a region, by its /proc/PID/maps. */

import { readFileSync } from "node:fs";

import type { Area } from "../../src/layout/areas.ts";
import { parseVma, type Vma } from "../../src/inspect/proc/vma.ts";

export interface MappedArea extends Area {
  /** `rw-s` */
  readonly permissions: string;
}

export interface Geometry {
  /** Where the region's first byte is, or would be: one address when all areas stand where the region says. */
  readonly bases: readonly bigint[];
  readonly areas: readonly MappedArea[];
}

export function readVmas(pid: number): Vma[] {
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .flatMap((line) => parseVma(line) ?? []);
}

/** The geometry of the region whose memory is the file with this inode, from its first byte on. */
export function geometryOf(vmas: readonly Vma[], inode: number): Geometry {
  const own = vmas.filter((vma) => vma.inode === BigInt(inode) && vma.path.startsWith("/memfd:"));
  return {
    bases: [...new Set(own.map(({ start, offset }) => start - offset))],
    areas: own.map(({ offset, size, perms }) => ({ offset: Number(offset), size, permissions: perms })),
  };
}

/** Mappings without access and without a file: what a reservation consists of. */
export function inaccessible(vmas: readonly Vma[]): Vma[] {
  return vmas.filter(({ perms, path }) => perms === "---p" && path === "");
}
