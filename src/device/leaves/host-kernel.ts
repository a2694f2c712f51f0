/** What decides the leaves on this machine: the kernel, its pages, and the switches for transparent huge pages. */

import { existsSync, readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { hugebarError, type HugebarError } from "../../errors.ts";
import { kernelArch, modelFor, type PagingModel } from "../../layout/paging.ts";
import type { ThpState } from "../../rules/gate.ts";
import { NOTHING_LEARNED, type LearnedKernel } from "../../rules/learned.ts";
import { PR_GET_THP_DISABLE, PR_THP_DISABLE_EXCEPT_ADVISED } from "../../system/constants.ts";
import { SystemCallError, type System } from "../../system/system.ts";

export interface HostKernel {
  /** `uname -r` */
  readonly release: string;
  /** As the kernel names it, `x86_64`. */
  readonly arch: string;
  /** Bytes. */
  readonly pageSize: number;
  /** Null on an architecture whose page tables hugebar does not know. */
  readonly model: PagingModel | null;
  /** `/sys/kernel/mm/transparent_hugepage/enabled`; null on a kernel without transparent huge pages. */
  readonly thpEnabled: ThpState["enabled"];
  /** The kernel was built without transparent huge pages. */
  readonly withoutThp: boolean;
  /** What PR_SET_THP_DISABLE has turned off for this process; null: nothing. */
  readonly thpDisabled: "all" | "except-advised" | null;
  /** `…/shmem_enabled`: whether shared memory, such as a memfd, may have huge pages; null likewise. */
  readonly shmemEnabled: string | null;
  /** What this process has learned of the kernel, kept for as long as it runs. */
  readonly memory: KernelMemory;
}

/** Holds what was learned, to be added to: reading smaps takes this process's own leaves of 1 GiB apart. */
export interface KernelMemory {
  learned: LearnedKernel;
}

/** By the seam to the kernel: where a test stands in for it, nothing learned of it goes to others. */
const memories = new WeakMap<object, KernelMemory>();

function memoryOf(system: object): KernelMemory {
  const known = memories.get(system) ?? { learned: NOTHING_LEARNED };
  memories.set(system, known);
  return known;
}

/** One whose page tables are known. */
export interface ModelledKernel extends HostKernel {
  readonly model: PagingModel;
}

/** Reads the running kernel's state. */
export function readHostKernel(system: Pick<System, "pageSize" | "prctl">): HostKernel {
  const { pageSize } = system;
  const machine = kernelArch(arch());
  const enabled = readChoice("/sys/kernel/mm/transparent_hugepage/enabled");
  return {
    release: release(),
    arch: machine,
    pageSize,
    model: modelFor(machine, pageSize),
    thpEnabled: enabled === "always" || enabled === "madvise" || enabled === "never" ? enabled : null,
    withoutThp: existsSync("/sys/kernel/mm") && !existsSync("/sys/kernel/mm/transparent_hugepage"),
    thpDisabled: readThpDisabled(system),
    shmemEnabled: readChoice("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
    memory: memoryOf(system),
  };
}

/**
 * The kernel, for what cannot be done without a paging model.
 *
 * @throws ERR_NOT_SUPPORTED on an architecture whose page tables hugebar does not know
 */
export function requireModel(kernel: HostKernel): ModelledKernel {
  const { model } = kernel;
  if (model === null) throw unknownLeaves(kernel);
  return { ...kernel, model };
}

/** ERR_NOT_SUPPORTED, in words. */
export function unknownLeaves({ arch: machine, pageSize }: HostKernel): HugebarError {
  return hugebarError("ERR_NOT_SUPPORTED", {
    action: "predict leaves on this machine",
    problem: `the leaf sizes of ${machine} with pages of ${pageSize} bytes are not known`,
  });
}

/** kernel/sys.c, prctl_get_thp_disable: 1 and the flags, or 0. */
function readThpDisabled(system: Pick<System, "prctl">): HostKernel["thpDisabled"] {
  try {
    const told = system.prctl(PR_GET_THP_DISABLE, 0, 0);
    if (told === 0) return null;
    return (told & PR_THP_DISABLE_EXCEPT_ADVISED) === 0 ? "all" : "except-advised";
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    // A sandbox may refuse the question; most processes turned nothing off.
    return null;
  }
}

/** The bracketed word of a sysfs choice such as `always [madvise] never`; null where there is no such file. */
function readChoice(path: string): string | null {
  try {
    return /\[(\w+)\]/.exec(readFileSync(path, "utf8"))?.[1] ?? null;
  } catch {
    // A kernel built without transparent huge pages has no such files: that is an answer, not a failure.
    return null;
  }
}
