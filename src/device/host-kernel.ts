/** What decides the leaves on this machine: the kernel, its pages, and the switches for transparent huge pages. */

import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { hugebarError } from "../errors.ts";
import { kernelArch, modelFor, type PagingModel } from "../layout/paging.ts";
import type { ThpState } from "../rules/gate.ts";

export interface HostKernel {
  /** `uname -r` */
  readonly release: string;
  readonly model: PagingModel;
  /** `/sys/kernel/mm/transparent_hugepage/enabled`; null on a kernel without transparent huge pages. */
  readonly thpEnabled: ThpState["enabled"];
  /** `…/shmem_enabled`: whether shared memory, such as a memfd, may have huge pages; null likewise. */
  readonly shmemEnabled: string | null;
}

/**
 * Reads the running kernel's state.
 *
 * @throws ERR_NOT_SUPPORTED on an architecture whose leaf sizes hugebar does not know.
 */
export function readHostKernel(pageSize: number): HostKernel {
  const model = modelFor(kernelArch(arch()), pageSize);
  if (model === null) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: "predict leaves on this machine",
      problem: `the leaf sizes of ${arch()} with pages of ${pageSize} bytes are not known`,
    });
  }
  const enabled = readChoice("/sys/kernel/mm/transparent_hugepage/enabled");
  return {
    release: release(),
    model,
    thpEnabled: enabled === "always" || enabled === "madvise" || enabled === "never" ? enabled : null,
    shmemEnabled: readChoice("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
  };
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
