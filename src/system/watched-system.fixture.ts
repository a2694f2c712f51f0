/**
 * For tests: the real system, watched. It counts the calls of the mapping path, fails the one asked for without
 * making it, and refuses to touch address space that was not mapped through it.
 */

import { constants } from "node:os";
import { MAP_FIXED } from "./constants.ts";
import { linux } from "./libc.ts";
import { SystemCallError, type System } from "./system.ts";

export interface WatchedSystem extends System {
  /** The calls so far: `mmap`, `munmap`, `madvise`. */
  readonly calls: readonly string[];
}

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

/** @param fails whether call number `index` (from 0) fails, with ENOMEM */
export function watchedSystem(fails: (index: number, call: string) => boolean = () => false): WatchedSystem {
  const calls: string[] = [];
  let owned: Range[] = [];

  function begin(call: string): void {
    calls.push(call);
    if (fails(calls.length - 1, call)) throw new SystemCallError(call, constants.errno.ENOMEM);
  }

  function requireOwned(call: string, address: bigint, length: number): void {
    const end = address + BigInt(length);
    const inside = owned.some((range) => range.start <= address && end <= range.end);
    if (length <= 0 || !inside) {
      throw new Error(`${call} of 0x${address.toString(16)}+0x${length.toString(16)}, which is not ours`);
    }
  }

  function own(start: bigint, end: bigint): void {
    const touching = owned.filter((range) => range.end === start || range.start === end);
    owned = owned.filter((range) => !touching.includes(range));
    owned.push({
      start: touching.find((range) => range.end === start)?.start ?? start,
      end: touching.find((range) => range.start === end)?.end ?? end,
    });
  }

  function disown(start: bigint, end: bigint): void {
    owned = owned
      .flatMap((range) => [
        { start: range.start, end: range.end < start ? range.end : start },
        { start: range.start > end ? range.start : end, end: range.end },
      ])
      .filter((range) => range.start < range.end);
  }

  return {
    ...linux,
    calls,
    mmap(address, length, protection, flags, fd, offset) {
      begin("mmap");
      if ((flags & MAP_FIXED) !== 0) requireOwned("mmap", address, length);
      const result = linux.mmap(address, length, protection, flags, fd, offset);
      if ((flags & MAP_FIXED) === 0) own(result, result + BigInt(length));
      return result;
    },
    munmap(address, length) {
      begin("munmap");
      requireOwned("munmap", address, length);
      linux.munmap(address, length);
      disown(address, address + BigInt(length));
    },
    madvise(address, length, advice) {
      begin("madvise");
      requireOwned("madvise", address, length);
      linux.madvise(address, length, advice);
    },
  };
}
