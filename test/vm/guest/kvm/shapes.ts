/** Shapes of a guest's device memory that QEMU makes, and that it does not: each with its own addresses, areas and slots. */

import type { Area } from "../../../../src/layout/areas.ts";
import { GIB, MIB } from "../../../../src/layout/sizes.ts";
import { pageSize as page, pmdSize as pmd } from "../paging.ts";
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from "./abi.ts";

/** A memory slot over part of the region: `guest` is what its guest address is past a multiple of 1 GiB. */
export interface ShapedSlot extends Area {
  readonly guest: number;
  readonly flags?: number;
}

export interface Shape {
  readonly name: string;
  /** What the address of the region's first byte is past a multiple of 1 GiB. */
  readonly host: number;
  readonly areas: readonly Area[];
  readonly slots: readonly ShapedSlot[];
  /** Every page of these parts of the region is touched, beside every PMD. */
  readonly fine?: readonly Area[];
  readonly how?: "read" | "write";
  /** Where the monitor itself touches the mapping first. */
  readonly touchedFirst?: boolean;
}

const whole = (size: number): Area[] => [{ offset: 0, size }];
const G4 = 4 * GIB;

function plain(name: string, host: number, guest: number, size = G4): Shape {
  return { name, host, areas: whole(size), slots: [{ offset: 0, size, guest }] };
}

/** A GB200's 0x2f00f00000 bytes, scaled: whole gigabytes, then 15 MiB. */
const scaled = 3 * GIB + 15 * MIB;

/** Where one page of a region is left out. */
const hole = GIB + 2 * pmd;

export const shapes: readonly Shape[] = [
  plain("all aligned", 0, 0),
  { ...plain("all aligned, the guest writes", 0, 0), how: "write" },
  { ...plain("all aligned, the monitor touches it first", 0, 0), touchedFirst: true },
  plain("host off by a PMD", pmd, 0),
  plain("host and guest off by a PMD", pmd, pmd),
  plain("host off by a page", page, 0, 256 * MIB),
  plain("host and guest off by a page", page, page, 256 * MIB),
  plain("guest off by a page", 0, page, 256 * MIB),
  plain("guest off by a PMD", 0, pmd),
  plain("guest off by 512 MiB", 0, 512 * MIB),
  plain("host and guest off by 512 MiB", 512 * MIB, 512 * MIB),
  plain("host off by 512 MiB", 512 * MIB, 0),
  plain("guest off by 16 pages", 0, 16 * page, 256 * MIB),
  plain("a single page", 0, 0, page),
  plain("a PMD alone", 0, 0, pmd),
  plain("a PMD less a page", 0, 0, pmd - page),
  {
    ...plain("a GB200, scaled", 0, 0, scaled),
    fine: [{ offset: 3 * GIB + 14 * MIB, size: MIB }],
  },
  {
    ...plain("a GB200, scaled, aligned by its own size", MIB, MIB, scaled),
    fine: [{ offset: 3 * GIB + 14 * MIB, size: MIB }],
  },
  {
    name: "a hole of one page",
    host: 0,
    areas: whole(G4),
    slots: [
      { offset: 0, size: hole, guest: 0 },
      { offset: hole + page, size: G4 - hole - page, guest: hole + page },
    ],
    fine: [{ offset: hole, size: pmd }],
  },
  {
    name: "two areas and two slots",
    host: 0,
    areas: [
      { offset: 0, size: GIB + 2 * pmd },
      { offset: 3 * GIB - pmd, size: GIB + pmd },
    ],
    slots: [
      { offset: 0, size: GIB + 2 * pmd, guest: 0 },
      { offset: 3 * GIB - pmd, size: GIB + pmd, guest: 3 * GIB - pmd },
    ],
  },
  {
    name: "two areas that one slot spans",
    host: 0,
    areas: [
      { offset: 0, size: GIB + pmd },
      { offset: GIB + pmd, size: 3 * GIB - pmd },
    ],
    slots: [{ offset: 0, size: G4, guest: 0 }],
  },
  {
    name: "a slot within the leaves",
    host: 0,
    areas: whole(G4),
    slots: [{ offset: 512 * MIB, size: 2 * GIB, guest: 512 * MIB }],
  },
  {
    name: "two slots, the second at an address of its own",
    host: 0,
    areas: whole(G4),
    slots: [
      { offset: 0, size: 2 * GIB, guest: 0 },
      { offset: 2 * GIB, size: 2 * GIB, guest: 8 * GIB + pmd },
    ],
  },
  {
    name: "dirty logging",
    host: 0,
    areas: whole(GIB),
    slots: [{ offset: 0, size: GIB, guest: 0, flags: KVM_MEM_LOG_DIRTY_PAGES }],
  },
  {
    name: "a read-only slot",
    host: 0,
    areas: whole(2 * GIB),
    slots: [{ offset: 0, size: 2 * GIB, guest: 0, flags: KVM_MEM_READONLY }],
  },
  {
    name: "many slots of a PMD, every other left out",
    host: 0,
    areas: whole(Math.min(64 * pmd, G4)),
    slots: Array.from({ length: Math.min(32, G4 / (2 * pmd)) }, (_, index) => ({
      offset: index * 2 * pmd,
      size: pmd,
      guest: index * 2 * pmd,
    })),
  },
];
