/**
 * What happens to regions, for anyone who listens: the channels of `node:diagnostics_channel`. The names follow QEMU's
 * trace points of the same steps (`vfio_region_setup`, `vfio_region_mmap_fault` …). Nobody listening costs nothing.
 */

import { channel, type Channel } from "node:diagnostics_channel";
import type { LaidArea } from "../../memory/lay-region.ts";
import type { Area } from "../../layout/areas.ts";
import type { Strategy } from "../../layout/strategies.ts";

/** Of `hugebar:region.setup`: a region was described by its device. */
export interface RegionSetupEvent {
  readonly device: string;
  readonly region: number;
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_… */
  readonly flags: number;
  readonly fdOffset: number;
}

/** Of `hugebar:region.sparse`: the areas a device listed for a region, as listed. */
export interface RegionSparseEvent {
  readonly device: string;
  readonly region: number;
  readonly areas: readonly Area[];
}

/** Of `hugebar:region.map`: a region was laid into this process. */
export interface RegionMapEvent {
  readonly device: string;
  readonly region: number;
  readonly strategy: Strategy;
  readonly base: bigint;
  readonly alignment: number;
  readonly areas: readonly LaidArea[];
}

/** Of `hugebar:region.mapFault`: a system call failed while a region was laid, and all was rolled back. */
export interface RegionMapFaultEvent {
  readonly device: string;
  readonly region: number;
  /** The area whose overlay failed; null where the reservation itself did. */
  readonly area: Area | null;
  /** The part of the device's file concerned, in bytes: from `start` up to, not including, `end`. */
  readonly fileRange: { readonly start: number; readonly end: number };
  readonly errno: number;
  readonly call: string;
}

/** Of `hugebar:region.unmap`: a mapping was closed. */
export interface RegionUnmapEvent {
  readonly device: string;
  readonly region: number;
  readonly base: bigint;
  readonly areas: readonly LaidArea[];
}

interface Events {
  readonly "region.setup": RegionSetupEvent;
  readonly "region.sparse": RegionSparseEvent;
  readonly "region.map": RegionMapEvent;
  readonly "region.mapFault": RegionMapFaultEvent;
  readonly "region.unmap": RegionUnmapEvent;
}

const channels: { readonly [Name in keyof Events]: Channel } = {
  "region.setup": channel("hugebar:region.setup"),
  "region.sparse": channel("hugebar:region.sparse"),
  "region.map": channel("hugebar:region.map"),
  "region.mapFault": channel("hugebar:region.mapFault"),
  "region.unmap": channel("hugebar:region.unmap"),
};

/** Publishes an event to `hugebar:NAME`. */
export function publish<Name extends keyof Events>(name: Name, event: Events[Name]): void {
  channels[name].publish(event);
}
