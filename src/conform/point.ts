/** A point of the conformance test, and what it found. */

import { leafSpans, type MappedRange } from "../layout/leaves.ts";
import { formatSize } from "../layout/sizes.ts";
import { leafSizes, type PagingModel } from "../layout/paging.ts";
import { SystemCallError } from "../system/system.ts";
import type { Observer } from "./observer.ts";
import type { LogSince } from "./kernel-log.ts";
import type { Subject } from "./subject.ts";
import { Trial, type TrialOptions } from "./trial.ts";

export interface Point {
  /** As the report names it; stable. */
  readonly name: string;
  /** What must hold, in a sentence. */
  readonly about: string;
  /** The commits of the kernel that make it so, `hash ("subject")`. */
  readonly commits: readonly string[];
  /** Whether it says nothing where no mapping may have huge leaves. */
  readonly needsHugeLeaves: boolean;
  run(bench: Bench): void;
}

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  readonly due: string;
  readonly found: string;
  readonly holds: boolean;
}

/** Why a point cannot be judged here. Thrown by the point. */
export class CannotJudge extends Error {}

/** What says that a machine lacks something or forbids it, or, the last three, that the device is gone: nothing of page tables. */
const LACKING = new Set(
  "ENOMEM EAGAIN EMFILE ENFILE ENOSPC EPERM EACCES ENOSYS EINTR ENODEV ENXIO EIO".split(" "),
);

export function isLacking({ code }: SystemCallError): boolean {
  return LACKING.has(code);
}

/** Does what a machine may refuse for reasons of its own. @throws CannotJudge */
export function tryTo<Result>(action: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof SystemCallError) throw new CannotJudge(`cannot ${action}: ${error.message}`);
    throw error;
  }
}

/** What a touch found, in words. */
export function leafText(leaf: number): string {
  return leaf === 0 ? "nothing: SIGBUS" : formatSize(leaf);
}

export interface BenchOptions {
  /** Whether points may do what kernels are known to fall over. */
  readonly riskOops: boolean;
  /** What the kernel's log has had to say about page tables since the test began; null where it may not be read. */
  readonly complaints: (() => LogSince) | null;
}

const NOTHING_RISKED: BenchOptions = { riskOops: false, complaints: null };

/** What a point works with: it maps parts of the area, touches them, and notes what it finds. */
export class Bench {
  readonly subject: Subject;
  readonly observer: Observer;
  readonly findings: Finding[] = [];
  readonly #trials: Trial[] = [];

  readonly options: BenchOptions;

  constructor(subject: Subject, observer: Observer, options: BenchOptions = NOTHING_RISKED) {
    this.subject = subject;
    this.observer = observer;
    this.options = options;
  }

  get model(): PagingModel {
    return this.subject.model;
  }

  get page(): number {
    return this.subject.model.pageSize;
  }

  /** The huge leaves that the area has a whole block for, wherever it is laid, the largest first. */
  hugeLeaves(): number[] {
    const { size, physical } = this.subject;
    const isWhole = (leaf: number): boolean => size >= 2 * leaf && physical % BigInt(leaf) === 0n;
    const sizes = leafSizes(this.model).filter((leaf) => leaf > this.page && isWhole(leaf));
    if (sizes.length > 0) return sizes;
    throw new CannotJudge(`the area has ${formatSize(size)}, too few for two blocks of a huge leaf`);
  }

  map(options: TrialOptions): Trial {
    const trial = new Trial(this.subject, options);
    this.#trials.push(trial);
    return trial;
  }

  /** Touches a page, whose leaf is another matter: that it is there at all is not. */
  touch(mapping: MappedRange, at: number): void {
    if (!this.observer.reach(mapping, at))
      this.note(`the page at 0x${at.toString(16)}`, "there", leafText(0));
  }

  /**
   * Touches a page, and holds the leaf against the rule's, or against `due`. The first page of its block is touched before: that
   * a block's leaf hangs on that is a point of its own.
   */
  expectLeaf(mapping: MappedRange, at: number, what: string, due = this.dueLeaf(mapping, at)): void {
    const block = at - Number((mapping.address + BigInt(at)) % BigInt(due));
    if (block >= 0 && block !== at) this.touch(mapping, block);
    this.expectLeafAtOnce(mapping, at, what, due);
  }

  /** The same, with nothing touched before. */
  expectLeafAtOnce(mapping: MappedRange, at: number, what: string, due = this.dueLeaf(mapping, at)): void {
    this.note(what, formatSize(due), leafText(this.observer.touch(mapping, at)));
  }

  /** Holds that a mapping of one leaf has it still: touching another page of it takes no fault. */
  expectKept(mapping: MappedRange, what: string): void {
    const { leaf, faulted } = this.observer.touchAnew(mapping, this.page);
    // Counts alone cannot tell this process's other faults from this one.
    if (this.observer.evidence !== "counters") this.note(`${what}: a fault`, "no", faulted ? "yes" : "no");
    this.note(`${what}: its leaf`, formatSize(this.dueLeaf(mapping, this.page)), leafText(leaf));
  }

  dueLeaf(mapping: MappedRange, at: number): number {
    const span = leafSpans(mapping, this.model).find(
      ({ offset, size }) => at >= offset && at < offset + size,
    );
    return span?.leaf ?? this.page;
  }

  note(what: string, due: string, found: string): void {
    this.findings.push({ what, due, found, holds: due === found });
  }

  /** Unmaps what was mapped. */
  close(): void {
    for (const trial of this.#trials.splice(0)) trial.close();
    this.observer.forget();
  }
}
