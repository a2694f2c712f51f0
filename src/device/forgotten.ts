/**
 * Devices that nobody closed. The collector takes the objects, and neither files nor mappings: so what a device holds of the
 * system is also written down apart, and given back once the collector has been. Whoever forgot it is told.
 */

import type { LaidArea } from "../memory/lay-region.ts";
import { cover } from "../memory/cover.ts";
import type { System } from "../system/system.ts";
import type { HeldMemory } from "./dma/dma-space.ts";
import { attempt, warnNotClosed } from "./not-closed.ts";
import type { Transport } from "./transport/transport.ts";
import { tellOfDevice, type DeviceTeller } from "./worker-ends.ts";

/** The areas of one mapping. */
export interface HeldAreas {
  readonly areas: readonly LaidArea[];
  /** A view was given out: something may still reach the memory, whoever has been collected. */
  viewed: boolean;
}

/** What a device holds of the system. It refers to nothing of what uses it, or the collector would never come. */
export interface Holdings {
  readonly name: string;
  readonly mappings: Set<HeldAreas>;
  /** What it had mapped for DMA. */
  readonly memory: { clear(): void } & Iterable<HeldMemory>;
  readonly abandon: () => void;
  readonly system: System;
  /** Where the device was opened. */
  readonly where: string;
  /** Of a device in a worker: who tells the thread that made the worker. */
  readonly teller: DeviceTeller | null;
}

/** A function or a class; the stack begins with whoever called it. */
export type Opener = ((...values: never[]) => unknown) | (abstract new (...values: never[]) => unknown);

const forgotten = new FinalizationRegistry<Holdings>(giveBack);

/**
 * Watches a device's transport, which all that comes from the device refers to: mappings, listeners, memory for DMA. As
 * long as one of these is in use, none is collected.
 *
 * @param opener the function whose caller opened the device
 */
export function watchForgotten(
  transport: Transport,
  memory: Holdings["memory"],
  system: System,
  opener: Opener,
): Holdings {
  const { name, abandon } = transport;
  const where = callerOf(opener);
  const teller = tellOfDevice(name, where);
  const holdings = { name, mappings: new Set<HeldAreas>(), memory, abandon, system, where, teller };
  forgotten.register(transport, holdings, transport);
  return holdings;
}

/** The device was closed. */
export function closedProperly(transport: Transport, holdings: Holdings): void {
  forgotten.unregister(transport);
  holdings.teller?.closed();
}

/** Writes down what a mapping has mapped. @returns to be called before it is unmapped, or left to another owner */
export function holdAreas({ mappings, teller }: Holdings, held: HeldAreas): () => void {
  mappings.add(held);
  const unmapping = held.areas.length === 0 ? undefined : teller?.mapped(held.areas);
  return () => {
    mappings.delete(held);
    unmapping?.();
  };
}

function giveBack({ name, mappings, memory, abandon, system, where, teller }: Holdings): void {
  teller?.closed();
  for (const { areas, viewed } of mappings) {
    for (const { address, size } of areas) {
      if (viewed) cover(address, size, system);
      else attempt(() => system.munmap(address, size));
    }
  }
  attempt(abandon);
  for (const { release } of memory) attempt(release);
  memory.clear();
  warnNotClosed(`Device ${name} was garbage collected before close()`, where);
}

/** The place that called `opener`: `at file:///app/driver.ts:12:18`. */
function callerOf(opener: Opener): string {
  const trace: { stack?: string } = {};
  Error.captureStackTrace(trace, opener);
  return trace.stack?.split("\n")[1]?.trim() ?? "at an unknown place";
}
