/** Lays a region into this process: reserve, overlay, give back what is not wanted, or everything on a failure. */

import { hugebarError } from "../errors.ts";
import { gapsOf, type Area } from "../layout/areas.ts";
import { roundUp } from "../layout/sizes.ts";
import { areaAlignment, strategyAlignment, type Strategy } from "../layout/strategies.ts";
import {
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
} from "../system/constants.ts";
import { cover } from "./cover.ts";
import { give, releaseAll, type Holding } from "./holding.ts";
import { isOneMapping } from "./own-mappings.ts";
import { errnoWithWords } from "../system/errno.ts";
import { SystemCallError, type System } from "../system/system.ts";

/** What to map, and how. */
export interface LayRequest {
  /** The region as messages name it: `2 of 0000:01:00.0`. */
  readonly region: string;
  readonly size: number;
  /** From `arrangeAreas`. */
  readonly areas: readonly Area[];
  readonly strategy: Strategy;
  /** What becomes of the gaps: nothing is left there, or they stay reserved, so that nothing else can land there. */
  readonly gaps: "unmap" | "guard";
  /** PROT_READ and PROT_WRITE, as the region allows. */
  readonly protection: number;
  readonly fd: number;
  /** Where the region starts in the file. */
  readonly fdOffset: number;
  /** The physical address of the region's first byte, which the strategy `physical` needs. */
  readonly physical: bigint | null;
  /** Told of the call that failed, after everything was undone; `area` is null where it failed for no single area. */
  readonly onFault?: (area: Area | null, cause: SystemCallError) => void;
}

/** An area with its address in this process. */
export interface LaidArea extends Area {
  readonly address: bigint;
}

/** A region laid into this process. */
export interface LaidRegion {
  /** The address of the region's first byte: the first area's, less its offset. 0n where there is no area. */
  readonly base: bigint;
  /** The alignment asked for, in bytes. */
  readonly alignment: number;
  readonly areas: readonly LaidArea[];
  /** Whether the kernel took the advice MADV_HUGEPAGE for every area. */
  readonly advised: boolean;
  /**
   * Maps an area's file again in its place, where other memory lies.
   *
   * @param huge whether huge leaves are wanted, or forbidden
   * @throws ERR_REGION_MAP; that other memory is there still, or again
   */
  layAgain(area: LaidArea, huge: boolean): void;
  /** Leaves an area to another owner: it is not unmapped here. */
  disown(area: LaidArea): void;
  /** Unmaps it, gaps only where they are guarded. Where the kernel fails to (ERR_SYSTEM), a further call tries again. */
  release(): void;
}

/**
 * Maps the areas of a region by a strategy.
 *
 * @throws ERR_REGION_MAP, with the SystemCallError as its cause, when a call fails; the address space is then as before
 */
export function layRegion(request: LayRequest, system: System): LaidRegion {
  const laying = new Laying(request, system);
  try {
    laying.run();
  } catch (error) {
    // Whatever fails on the way back must not hide why there is a way back.
    releaseAll(laying.holdings, system);
    if (!(error instanceof SystemCallError)) throw error;
    request.onFault?.(laying.area, error);
    throw mapError(request, laying.area, error);
  }

  const { areas, advised, holdings } = laying;
  const [first] = areas;
  return {
    base: first === undefined ? 0n : first.address - BigInt(first.offset),
    alignment: strategyAlignment(request.strategy, request, system.pageSize),
    areas,
    advised,
    layAgain(area, huge) {
      layAgain(request, area, huge, system);
    },
    disown(area) {
      disown(area, holdings);
    },
    release() {
      const [failure] = releaseAll(holdings, system);
      if (failure === undefined) return;
      const details = { action: `unmap region ${request.region}`, problem: failure.message };
      throw hugebarError("ERR_SYSTEM", details, failure);
    },
  };
}

/** One run of the steps, and what it holds by then. */
class Laying {
  readonly areas: LaidArea[] = [];
  readonly holdings: Holding[] = [];
  advised = true;
  /** The area being laid. */
  area: Area | null = null;
  readonly #request: LayRequest;
  readonly #system: System;

  constructor(request: LayRequest, system: System) {
    this.#request = request;
    this.#system = system;
  }

  run(): void {
    const { strategy, areas, size } = this.#request;
    if (areas.length === 0) return;
    switch (strategy) {
      case "none":
        for (const area of areas) this.#layPlainly(area);
        return;
      case "area":
        for (const area of areas)
          this.#layReserved(area, [area], this.#atLeastPage(areaAlignment(area.size)), 0n);
        return;
      case "region":
      case "physical": {
        const alignment = strategyAlignment(strategy, this.#request, this.#system.pageSize);
        this.#layReserved({ offset: 0, size }, areas, alignment, this.#residue(alignment));
      }
    }
  }

  #layPlainly(area: Area): void {
    this.area = area;
    const address = this.#mapFile(0n, area, 0);
    this.holdings.push({ address, size: area.size, given: [] });
    this.area = null;
    this.areas.push({ ...area, address });
    this.#advise(address, area.size);
  }

  /** Lays the areas, which lie in `span` of the region, into one reservation with an address ≡ residue (alignment). */
  #layReserved(span: Area, areas: readonly Area[], alignment: number, residue: bigint): void {
    const spanSize = roundUp(span.size, this.#system.pageSize);
    const reservation = this.#reserve(spanSize + alignment);
    const start = firstCongruent(reservation.address, BigInt(alignment), residue);
    const head = Number(start - reservation.address);

    const placed = areas.map(({ offset, size }) => ({ offset: head + offset - span.offset, size }));
    for (const [index, area] of areas.entries()) {
      const place = placed[index];
      if (place !== undefined) this.#overlay(area, reservation, place);
    }

    // One call for all of them, while the reservation still fills the gaps: over a hole it would fail.
    const first = placed[0];
    const last = placed.at(-1);
    if (first !== undefined && last !== undefined) {
      this.#advise(reservation.address + BigInt(first.offset), last.offset + last.size - first.offset);
    }

    // Head and first gap, last gap and tail are neighbours: trimming and gaps are one list of what to give back.
    const wanted = this.#request.gaps === "guard" ? [{ offset: head, size: spanSize }] : placed;
    for (const part of gapsOf(reservation.size, wanted)) give(reservation, part, this.#system);
  }

  #reserve(size: number): Holding {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const reservation = { address: this.#system.mmap(0n, size, PROT_NONE, flags, -1, 0), size, given: [] };
    this.holdings.push(reservation);
    return reservation;
  }

  #overlay(area: Area, reservation: Holding, place: Area): void {
    const address = reservation.address + BigInt(place.offset);
    this.area = area;
    try {
      this.#mapFile(address, area, MAP_FIXED);
    } catch (error) {
      // Where the file's driver refuses, the kernel has already unmapped the place (mm/vma.c, __mmap_region; seen on 6.18
      // with hugetlbfs), and another thread may have mapped something there since. An untouched place still belongs to
      // one mapping that reaches to the reservation's end, of which nothing was given back yet.
      const untouched = isOneMapping(address, reservation.address + BigInt(reservation.size));
      if (!untouched) reservation.given.push(place);
      throw error;
    }
    this.area = null;
    this.areas.push({ offset: area.offset, size: area.size, address });
  }

  #mapFile(address: bigint, { offset, size }: Area, flags: number): bigint {
    const { protection, fd, fdOffset } = this.#request;
    return this.#system.mmap(address, size, protection, MAP_SHARED | flags, fd, fdOffset + offset);
  }

  /** Kernels before 7.x try huge leaves only where huge pages are allowed (mm/memory.c, __handle_mm_fault). */
  #advise(address: bigint, size: number): void {
    try {
      this.#system.madvise(address, size, MADV_HUGEPAGE);
    } catch {
      this.advised = false; // a kernel without transparent huge pages; mapping goes on
    }
  }

  #residue(alignment: number): bigint {
    const { strategy, physical, region } = this.#request;
    if (strategy !== "physical") return 0n;
    if (physical === null || physical % BigInt(this.#system.pageSize) !== 0n) {
      const known = physical === null ? "is not known" : `(0x${physical.toString(16)}) is not on a page`;
      throw hugebarError("ERR_REGION_MAP", {
        region,
        problem: `its physical address ${known}, and the strategy physical needs it; use the strategy region`,
      });
    }
    return physical % BigInt(alignment);
  }

  #atLeastPage(alignment: number): number {
    return Math.max(alignment, this.#system.pageSize);
  }
}

/** The first address from `address` up that is ≡ residue modulo alignment, a power of two. */
function firstCongruent(address: bigint, alignment: bigint, residue: bigint): bigint {
  return address + ((residue - address) & (alignment - 1n));
}

function layAgain(request: LayRequest, area: LaidArea, huge: boolean, system: System): void {
  const { protection, fd, fdOffset } = request;
  try {
    system.mmap(area.address, area.size, protection, MAP_SHARED | MAP_FIXED, fd, fdOffset + area.offset);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    // Where the file's driver refuses, the place may be unmapped by now, while a view may still reach it.
    if (!isOneMapping(area.address, area.address + BigInt(area.size))) cover(area.address, area.size, system);
    throw mapError(request, area, error);
  }
  try {
    system.madvise(area.address, area.size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  } catch (error) {
    // Advice to take them was noted when it was first laid, and is never fatal.
    if (huge || !(error instanceof SystemCallError)) return;
    cover(area.address, area.size, system);
    throw mapError(request, area, error);
  }
}

function disown(area: LaidArea, holdings: readonly Holding[]): void {
  const holding = holdings.find(
    ({ address, size }) => area.address >= address && area.address < address + BigInt(size),
  );
  holding?.given.push({ offset: Number(area.address - holding.address), size: area.size });
}

function mapError(request: LayRequest, area: Area | null, cause: SystemCallError): Error {
  const advice = cause.code === "ENOMEM" ? "; raise the limits ulimit -v and vm.max_map_count" : "";
  const problem = `${stepOf(request, area, cause)}: ${cause.call} failed with ${errnoWithWords(cause.code)}${advice}`;
  return hugebarError("ERR_REGION_MAP", { region: request.region, problem }, cause);
}

function stepOf({ size, areas }: LayRequest, area: Area | null, { call }: SystemCallError): string {
  if (area !== null) {
    const number = areas.findIndex(({ offset }) => offset === area.offset);
    return `area ${number} (0x${area.offset.toString(16)}+0x${area.size.toString(16)})`;
  }
  return call === "munmap"
    ? "giving back the address space around its areas"
    : `reserving address space for 0x${size.toString(16)} bytes`;
}
