/**
 * What tests want a kernel for. They name a role; which kernel has it is found out here, from what each was seen to do
 * (`kernel-facts.ts`), so that nothing hangs on which release a package has today.
 */

import { KIB } from "../../../src/layout/sizes.ts";
import type { KernelFacts } from "./facts.ts";
import { readFacts } from "./kernel-facts.ts";
import { type Kernel, kernel, type KernelName } from "./kernels.ts";
import { NotInArchive } from "./not-in-archive.ts";
import { provision } from "./provision.ts";

interface Role {
  /** What it is to have it, in the words of a report. */
  readonly meaning: string;
  /** Kernels that may have it, the one preferred first. */
  readonly kernels: readonly KernelName[];
  readonly has: (facts: KernelFacts) => boolean;
}

const roles = {
  asking: {
    meaning: "asks the setting of transparent huge pages about device memory",
    kernels: ["stock", "built-asking"],
    has: ({ asks }) => asks,
  },
  "asking-tables": {
    meaning: "asks that setting, runs virtual machines, and has its page tables read",
    kernels: ["stock", "built-tables"],
    has: ({ asks, kvm, tables }) => asks && kvm && tables,
  },
  silent: {
    meaning: "does not ask the setting of transparent huge pages about device memory",
    kernels: ["stock", "built", "newest"],
    has: ({ asks }) => !asks,
  },
  groups: {
    meaning: "as distributed, with VFIO's groups only",
    kernels: ["stock", "newest"],
    has: ({ groups, cdevs }) => groups && !cdevs,
  },
  iommufd: {
    meaning: "with groups, cdevs, iommufd and the test driver",
    kernels: ["built"],
    has: ({ groups, cdevs, testDriver }) => groups && cdevs && testDriver,
  },
  newest: { meaning: "the newest there is", kernels: ["newest"], has: () => true },
  "arm64-4k": {
    meaning: "for arm64, with pages of 4 KiB",
    kernels: ["stock-arm64"],
    has: ({ pageSize }) => pageSize === 4 * KIB,
  },
  "arm64-16k": {
    meaning: "for arm64, with pages of 16 KiB",
    kernels: ["stock-arm64-16k"],
    has: ({ pageSize }) => pageSize === 16 * KIB,
  },
  "arm64-64k": {
    meaning:
      "for arm64, with pages of 64 KiB, groups, cdevs, iommufd and the test driver; its page tables are read",
    kernels: ["built-arm64"],
    has: hasAll64k,
  },
  "arm64-4k-newest": {
    meaning: "for arm64, with pages of 4 KiB, the newest there is",
    kernels: ["newest-arm64"],
    has: ({ pageSize }) => pageSize === 4 * KIB,
  },
  "arm64-16k-newest": {
    meaning: "for arm64, with pages of 16 KiB, the newest there is",
    kernels: ["newest-arm64-16k"],
    has: ({ pageSize }) => pageSize === 16 * KIB,
  },
  "arm64-64k-newest": {
    meaning: "for arm64, with all that arm64-64k has, the newest there is",
    kernels: ["built-arm64-newest"],
    has: hasAll64k,
  },
} as const satisfies Readonly<Record<string, Role>>;

function hasAll64k({ pageSize, groups, cdevs, testDriver, tables }: KernelFacts): boolean {
  return pageSize === 64 * KIB && groups && cdevs && testDriver && tables;
}

export type KernelRole = keyof typeof roles;

export interface CastKernel extends Kernel {
  readonly name: KernelName;
  readonly facts: KernelFacts;
  /** Role, release and evidence in a line. */
  readonly description: string;
}

/**
 * The kernel for a role, provisioned now if it is not there.
 *
 * @throws NotInArchive where none has it
 */
export async function castKernel(
  role: KernelRole,
  factsOf: (name: KernelName) => Promise<KernelFacts> = provisionedFacts,
): Promise<CastKernel> {
  const { meaning, kernels, has }: Role = roles[role];
  const others: string[] = [];
  for (const name of kernels) {
    const facts = await factsOf(name);
    const description = `${role} kernel (${meaning}): ${name}, ${facts.release}; ${facts.evidence}`;
    if (has(facts)) {
      const { machine, image, folder, append } = kernel(name);
      return { machine, image, folder, append, name, facts, description };
    }
    others.push(`${name}, ${facts.release}: ${JSON.stringify(facts)}`);
  }
  throw new NotInArchive(`no kernel ${meaning}; there are ${others.join("; ")}`);
}

async function provisionedFacts(name: KernelName): Promise<KernelFacts> {
  await provision([`facts-${name}`]);
  return readFacts(name);
}
