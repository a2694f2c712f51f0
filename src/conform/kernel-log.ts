/** The kernel's log, as far as it speaks of page tables. */

import { closeSync, constants, openSync, readSync } from "node:fs";

/**
 * mm/pgtable-generic.c, mm/memory.c (print_bad_pte), and what most oopses begin with; a machine that is slow has lockups of its own
 * (kernel/watchdog.c, kernel/workqueue.c).
 */
const COMPLAINT = /\bbad p(?:te|md|ud|4d|gd)\b|\bBad page\b|\bBUG: (?!soft lockup|workqueue lockup)/;

/** A warning tells its place, before or behind the processor: those of other drivers have nothing to do with page tables. */
const WARNING =
  /\bWARNING: (?:.* )?(?:\.\/)?(?:mm|arch\/\w+\/(?:mm|kvm|include)|virt\/kvm|drivers\/vfio|include)\/[\w/.-]+\.[ch]:\d/;

export function isComplaint(text: string): boolean {
  return COMPLAINT.test(text) || WARNING.test(text);
}

/** A record of the log: its number, and its text. */
export interface LogRecord {
  readonly sequence: number;
  readonly text: string;
}

/** What the log has had to say since it was opened. */
export interface LogSince {
  readonly complaints: readonly string[];
  /** Records were overwritten before they were read: there may have been more. */
  readonly lost: boolean;
}

/**
 * What of a kind there is in the log from now on; null where this process may not read it.
 *
 * @param read all records that are there
 */
export function openKernelLog(read: () => readonly LogRecord[] = readRecords): (() => LogSince) | null {
  let last: number;
  try {
    last = read().at(-1)?.sequence ?? -1;
  } catch {
    return null;
  }
  return () => {
    const since = read().filter(({ sequence }) => sequence > last);
    const first = since[0]?.sequence ?? last + 1;
    const texts = since.map(({ text }) => text);
    return { complaints: texts.filter(isComplaint), lost: first > last + 1 };
  };
}

/** Each read of /dev/kmsg gives one record, "priority,sequence,microseconds,flags;text" (Documentation/ABI/testing/dev-kmsg). */
function readRecords(): LogRecord[] {
  const found: LogRecord[] = [];
  const fd = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const record = Buffer.alloc(8192);
    for (;;) {
      const length = readNext(fd, record);
      if (length === null) return found;
      const line = record.toString("latin1", 0, length);
      const sequence = Number(/^\d+,(\d+),/.exec(line)?.[1]);
      const text = line.slice(line.indexOf(";") + 1).split("\n", 1)[0] ?? "";
      if (Number.isSafeInteger(sequence)) found.push({ sequence, text });
    }
  } finally {
    closeSync(fd);
  }
}

/** The length of the next record; null at the end. */
function readNext(fd: number, record: Buffer): number | null {
  for (;;) {
    try {
      return readSync(fd, record);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EAGAIN") return null;
      // EPIPE: a record was overwritten before it was read; the next read gives the oldest that is there.
      if (code !== "EPIPE") throw error;
    }
  }
}
