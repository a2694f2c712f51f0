/** The stable JSON of traced faults (schemaVersion 1). */

import { hostname } from "node:os";
import { formatAddress } from "../inspect/proc/hex.ts";
import type { TraceSummary } from "../inspect/trace/watch-faults.ts";
import { version } from "../version.ts";

/** Traced faults as programs get them, from `trace()` and as JSON (docs/json.md). */
export interface TraceReport {
  readonly schemaVersion: 1;
  /** Of hugebar. */
  readonly version: string;
  /** The machine's name. */
  readonly host: string;
  /** When it ended: ISO 8601, in UTC. */
  readonly time: string;
  /** `uname -r` */
  readonly kernel: string;
  /** How long it was traced. */
  readonly seconds: number;
  /** Faults that happened and are not counted below: they came too fast. */
  readonly lost: number;
  /** By process, mapping and size of leaf. */
  readonly faults: readonly FaultsReport[];
}

/** The faults of one process on one mapping for leaves of one size. */
export interface FaultsReport {
  /** Null where the thread was gone before the kernel knew whose it was. */
  readonly pid: number | null;
  /** Empty where the process was gone before it could be looked at; `device` and `region` are null then. */
  readonly command: string;
  readonly device: string | null;
  /** Its index. */
  readonly region: number | null;
  /** Of the mapping's first byte: `"0x…"`. */
  readonly address: string;
  /** log2 of the leaf's size in pages. */
  readonly order: number;
  /** Of the leaf, in bytes; null where the size of a page is not known. */
  readonly size: number | null;
  /** The kernel laid the leaf. */
  readonly done: number;
  /** It could not be that large; the kernel asked again for the next smaller one. */
  readonly fellBack: number;
  /** The access itself failed. */
  readonly failed: number;
}

export function traceJson({ kernel, faults, lost, seconds, pageSize }: TraceSummary): TraceReport {
  return {
    schemaVersion: 1,
    version: version(),
    host: hostname(),
    time: new Date().toISOString(),
    kernel,
    seconds,
    lost,
    faults: faults.map(({ pid, command, address, device, region, order, done, fellBack, failed }) => ({
      pid: pid === 0 ? null : pid,
      command,
      device,
      region,
      address: formatAddress(address),
      order,
      size: pageSize === null ? null : pageSize * 2 ** order,
      done,
      fellBack,
      failed,
    })),
  };
}
