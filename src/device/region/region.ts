import { requireBoolean, requireOptions, requireWord } from "../../arguments.ts";
import { hugebarError } from "../../errors.ts";
import { arrangeAreas, type Area } from "../../layout/areas.ts";
import { requireAreas } from "../../layout/areas.ts";
import { isSize, roundUp } from "../../layout/sizes.ts";
import { strategies, type Strategy } from "../../layout/strategies.ts";
import { closeEach } from "../../system/closing.ts";
import type { System } from "../../system/system.ts";
import { holdAreas, type HeldAreas, type Holdings } from "../forgotten.ts";
import { ioeventfdsOf, type RegionIoEventFd } from "./ioeventfds.ts";
import { layMapping } from "./lay-mapping.ts";
import { Mapping } from "./mapping.ts";
import type { MappedRegion } from "../leaves/mapped-region.ts";
import type { MemoryGuard } from "../file/memory-guard.ts";
import { narrowAreas } from "./narrow-areas.ts";
import { RegionFile } from "../file/region-file.ts";
import type { RegionInfo, Transport } from "../transport/transport.ts";
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from "../transport/vfio-abi.ts";

/** How `region.map` is to lay a region. */
export interface MapOptions {
  /** How the virtual address is chosen; `region` by default. */
  readonly strategy?: Strategy;
  /** What becomes of the gaps: `unmap` (default) leaves nothing, `guard` keeps them reserved and inaccessible. */
  readonly gaps?: "unmap" | "guard";
  /** Maps only these parts of what the device allows to map; all of it by default. Offsets in the region, bytes. */
  readonly areas?: readonly Area[];
  /** `false` maps nothing: every access goes through the device's file, as for a region that cannot be mapped. */
  readonly map?: boolean;
}

/** An area exported as a dma-buf. The caller owns `fd`. */
export interface DmaBuf {
  readonly area: Area;
  readonly fd: number;
}

const NOTHING_LAID = { laid: null, guarded: false } as const;

/** A region of a device, as `device.region(index)` gives it. */
export class Region implements MappedRegion {
  readonly index: number;
  /** Bytes; 0 for a region that the device does not have. */
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_… */
  readonly flags: number;
  /** Where the region starts in the device's file. */
  readonly fdOffset: number;
  /** The mappable parts, as the device lists them; empty for a region that cannot be mapped. */
  readonly areas: readonly Area[];
  /** The physical address of the first byte, where it is known. */
  readonly physical: bigint | null;
  /** The kernel's driver that maps it, as sysfs names it; null where none does, or none is known. */
  readonly driver: string | null;
  /** What lies behind a mapping of it. */
  readonly backing: "device" | "shared-memory";
  /** The name of the device it belongs to. */
  readonly deviceName: string;
  /** How messages call it: `2 of 0000:01:00.0`. */
  readonly name: string;
  readonly #info: RegionInfo;
  readonly #transport: Transport;
  readonly #system: System;
  readonly #file: RegionFile;
  #arranged: readonly Area[] | null = null;
  #ioeventfds: readonly RegionIoEventFd[] | null = null;
  readonly #mappings = new Set<Mapping>();
  readonly #memoryGuard: MemoryGuard | null;
  /** Where it is written down what is mapped, for when nobody closes it. */
  readonly #holdings: Holdings;

  /** @internal */
  constructor(
    transport: Transport,
    system: System,
    info: RegionInfo,
    guard: MemoryGuard | null,
    holdings: Holdings,
  ) {
    this.#holdings = holdings;
    this.index = info.index;
    this.size = info.size;
    this.flags = info.flags;
    this.fdOffset = info.fdOffset;
    this.areas = info.areas;
    this.physical = info.physical;
    this.driver = info.driver;
    this.backing = info.backing;
    this.deviceName = transport.name;
    this.name = `${info.index} of ${transport.name}`;
    this.#info = info;
    this.#transport = transport;
    this.#system = system;
    this.#memoryGuard = guard;
    const isConfig = info.index === VFIO_PCI_CONFIG_REGION_INDEX;
    this.#file = new RegionFile(transport, info, this.name, isConfig ? guard : null);
  }

  /** @internal The descriptor to map from, which the device owns; null where nothing can be mapped. */
  get fd(): number | null {
    return this.#info.fd;
  }

  get readable(): boolean {
    return (this.flags & VFIO_REGION_INFO_FLAG_READ) !== 0;
  }

  get writable(): boolean {
    return (this.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0;
  }

  /**
   * Reads `target.length` bytes at `offset` through the device's file, without a mapping.
   *
   * @throws ERR_ACCESS_RANGE, ERR_ACCESS_DENIED, ERR_CLOSED, and what the transport throws.
   */
  read(offset: number, target: Uint8Array): void {
    this.#file.read(offset, target);
  }

  /** Writes `source` at `offset` through the device's file, without a mapping. @throws as `read`. */
  write(offset: number, source: Uint8Array): void {
    this.#file.write(offset, source);
  }

  /**
   * Lays the region into this process so that the kernel can use huge pages, and returns the mapping, to be closed when
   * done. On failure nothing is left behind.
   *
   * @throws ERR_REGION_LAYOUT when the areas are not as they must be; ERR_REGION_MAP when a system call fails, which the
   *   cause names; ERR_ARGUMENT for strategy `physical` where the physical address is unknown.
   */
  map(options: MapOptions = {}): Mapping {
    this.#file.requireOpen();
    requireOptions("of a mapping", options);
    const { strategy = "region", gaps = "unmap", map = true } = options;
    requireWord("strategy", strategy, strategies);
    requireWord("gaps", gaps, ["unmap", "guard"]);
    requireBoolean("map", map);
    const mappable = map ? this.#mappable() : [];
    if (options.areas !== undefined) requireAreas(options.areas);
    const areas =
      options.areas === undefined || !map
        ? mappable
        : narrowAreas(this.#arrange(options.areas), mappable, this.name);
    if (strategy === "physical" && this.physical === null) {
      throw hugebarError("ERR_ARGUMENT", {
        what: "strategy physical",
        problem: `the physical address of region ${this.name} is not known; take strategy region`,
      });
    }
    const fileCheck = areas.length === 0 ? null : this.#transport.prepareToMap(this.index);
    const request = { region: this, areas, strategy, gaps, fd: this.#info.fd };
    const { laid, guarded } = areas.length === 0 ? NOTHING_LAID : layMapping(request, this.#system);
    const held: HeldAreas = { areas: laid?.areas ?? [], viewed: false };
    const onUnmap = holdAreas(this.#holdings, held);
    const mapping = new Mapping({
      region: this,
      file: this.#file,
      system: this.#system,
      strategy,
      gapMode: gaps,
      laid,
      guarded,
      fileCheck,
      onView: () => {
        held.viewed = true;
      },
      onUnmap,
      onClose: () => this.#mappings.delete(mapping),
    });
    this.#mappings.add(mapping);
    // Preparing may have switched the device's memory on, for those too that waited for it.
    if (laid !== null && this.#memoryGuard?.reachable === false) this.#memoryGuard.look();
    return mapping;
  }

  /**
   * The places where the device only wants to be kicked, and eventfds to do it by; asked for once. Writes there work as
   * everywhere, by a message that is answered when the device has taken it: `kick` is a tenth of its cost.
   *
   * @throws what the transport throws: ERR_DEVICE for a server that does not know the question.
   */
  get ioeventfds(): readonly RegionIoEventFd[] {
    this.#file.requireOpen();
    this.#ioeventfds ??= ioeventfdsOf(this.#transport, this.index, () => this.#file.requireOpen());
    return this.#ioeventfds;
  }

  /**
   * Exports the region as dma-bufs, one for each area (VFIO_DEVICE_FEATURE_DMA_BUF, Linux 6.19): the ranges of one
   * dma-buf are packed, and iommufd takes one range only. The caller closes each `fd`.
   *
   * @throws ERR_NOT_SUPPORTED where the kernel or the transport has no such thing.
   */
  exportDmaBuf(): readonly DmaBuf[] {
    this.#file.requireOpen();
    const exported: DmaBuf[] = [];
    try {
      for (const area of this.#mappable()) {
        exported.push({ area, fd: this.#transport.exportDmaBuf(this.index, area) });
      }
    } catch (error) {
      for (const { fd } of exported) this.#system.close(fd);
      throw error;
    }
    return exported;
  }

  /** @internal What all reads and writes through the device's file go through. */
  get file(): RegionFile {
    return this.#file;
  }

  /** @internal Its mappings that are a device's memory. */
  get deviceMappings(): readonly Mapping[] {
    return this.#guardsMemory ? [...this.#mappings] : [];
  }

  /** Whether it is a BAR, or the ROM, of a device's own memory. */
  get #guardsMemory(): boolean {
    return this.backing === "device" && this.index <= VFIO_PCI_ROM_REGION_INDEX;
  }

  /** @internal The device closes: so do the mappings, and every access from now on throws. */
  close(): void {
    this.#file.close();
    closeEach(
      `region ${this.name}`,
      [...this.#mappings].map((mapping) => () => mapping.close()),
    );
  }

  /** The areas, arranged once: a device lists them once. */
  #mappable(): readonly Area[] {
    this.#arranged ??= this.#arrange(this.areas);
    return this.#arranged;
  }

  /**
   * Checks areas and puts them in order. A whole region that ends within a page is mapped to that page's end, as the
   * kernel allows where nothing else shares the page (vfio_pci_core_mmap: PAGE_ALIGN of the resource's length).
   */
  #arrange(areas: readonly Area[]): Area[] {
    const { pageSize } = this.#system;
    const [only] = areas;
    const whole = areas.length === 1 && only?.offset === 0 && only.size === this.size;
    if (!whole || !isSize(this.size)) return arrangeAreas(this.size, areas, pageSize, this.name);
    const size = roundUp(this.size, pageSize);
    return arrangeAreas(size, [{ offset: 0, size }], pageSize, this.name);
  }
}
