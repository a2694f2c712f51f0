/** What is known of a kernel: seen inside by `guest/facts.guest.ts`, kept by `kernel-facts.ts`, asked by `roles.ts`. */

import * as v from "valibot";

const kernelFacts = v.object({
  /** As `uname -r` gives it. */
  release: v.string(),
  /** Bytes of a page. */
  pageSize: v.number(),
  /** Whether it asks the setting of transparent huge pages about device memory. */
  asks: v.boolean(),
  /** Whether it offers VFIO's groups; its cdevs, and iommufd. */
  groups: v.boolean(),
  cdevs: v.boolean(),
  /** Whether it exports device memory as dma-bufs. */
  dmaBufs: v.boolean(),
  /** Whether it runs virtual machines here. */
  kvm: v.boolean(),
  /** Whether its page tables can be read: it has its types and its memory in files. */
  tables: v.boolean(),
  /** Whether hugebar's test driver is in it. */
  testDriver: v.boolean(),
  /** What was seen that says so, for people. */
  evidence: v.string(),
});

export type KernelFacts = v.InferOutput<typeof kernelFacts>;

/** How the guest says what it has seen, in a diagnostic of its only test. */
export const factsPrefix = "facts: ";

export function parseFacts(json: string): KernelFacts {
  return v.parse(kernelFacts, JSON.parse(json));
}
