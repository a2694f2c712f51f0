/** What recorded machines are made of in tests, and what is told of their mappings, in short. */

import type { TestContext } from "node:test";
import { inspectMachine } from "./inspect.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";
import { machineOf, type MachineOf } from "./machine-of.fixture.ts";

export const GROUP = "anon_inode:[vfio-device]";
export const KIB = 1024n;
export const MIB = 1024n * KIB;
export const GIB = 1024n * MIB;

/** A line of maps. */
export function line(address: bigint, size: bigint, offset: bigint, path: string): string {
  const [from, to, at] = [address, address + size, offset].map((value) => value.toString(16));
  return `${from}-${to} rw-s ${at?.padStart(8, "0")} 00:0e 1063 ${path}`;
}

/** The file offset of a region. */
export function region(index: number): bigint {
  return BigInt(index) << 40n;
}

export function rowsOf(test: TestContext, machine: MachineOf): readonly InspectedMapping[] {
  return inspectMachine(machineOf(test, machine)).processes.flatMap(({ mappings }) => mappings);
}

export function whose({ identity: { device, region: index, offset } }: InspectedMapping): string {
  return `${device ?? "?"} ${index ?? "?"} ${offset ?? "?"}`;
}

export function told({ verdict, reasons }: InspectedMapping): string {
  return [verdict, ...reasons.map(({ code }) => code)].join(" ");
}

export function adviceIn(rows: readonly InspectedMapping[]): string {
  return rows.flatMap(({ reasons }) => reasons.map(({ advice }) => advice)).join("\n");
}

export const A = 0x7f00_0000_0000n;
