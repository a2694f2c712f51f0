/** The kernel functions that handle faults on VFIO mappings, and how to probe them. */

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { hugebarError } from "../../errors.ts";

/** A dynamic event: `type:NAME/event place fetches` in the notation of tracefs' `dynamic_events`. */
export interface Probe {
  /** `r` for a function's return, `p` for its start. */
  readonly type: "r" | "p";
  /** `page`: the function for base pages; `huge`: the one for all sizes. */
  readonly kind: "page" | "huge";
  /** The function, as `MODULE:FUNCTION` or as a place that uprobes understand. */
  readonly place: string;
  /** What to fetch, under the names that `trace-events.ts` and `fault-histograms.ts` read: order, start, ret. */
  readonly fetch: string;
}

/**
 * `vm_fault_t handler(struct vm_fault *vmf, unsigned int order)`: the first member of vm_fault is the VMA, whose first
 * member is its start (linux/mm.h, linux/mm_types.h). Arguments in a return probe: Linux 6.9 and newer, and huge faults
 * began with 6.12.
 */
const START = "start=+0(+0($arg1)):x64";
const ORDER = { huge: "order=$arg2:u32", page: String.raw`order=\0:u32` } as const;
const ANSWER = "ret=$retval:x32";

/** vfio_pci_mmap_fault is what it was called before there were huge faults. */
const FUNCTIONS: ReadonlyMap<string, "page" | "huge"> = new Map([
  ["vfio_pci_mmap_huge_fault", "huge"],
  ["vfio_pci_mmap_page_fault", "page"],
  ["vfio_pci_mmap_fault", "page"],
  ["nvgrace_gpu_vfio_pci_huge_fault", "huge"],
  ["nvgrace_gpu_vfio_pci_fault", "page"],
]);

/**
 * The probes for those of the functions that this kernel has.
 *
 * @param fetched `mapping`: also which mapping it was; `order`: no more than the size and the answer
 * @throws ERR_NOT_SUPPORTED when it has none of them
 */
export async function faultProbes(proc: string, fetched: "mapping" | "order" = "mapping"): Promise<Probe[]> {
  const handlers: Handler[] = [];
  let text: bigint | null = null;
  const file = join(proc, "kallsyms");
  // 200,000 lines: ffffffffc0a01230 t vfio_pci_mmap_huge_fault\t[vfio_pci_core]
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const [address = "", , name = "", module] = line.split(/\s/);
    if (name === "_text") text = BigInt(`0x${address}`);
    const kind = FUNCTIONS.get(name);
    if (kind === undefined) continue;
    const own = module === undefined ? name : `${module.slice(1, -1)}:${name}`;
    handlers.push({ kind, name: own, address: BigInt(`0x${address}`) });
  }
  const probes = handlers.map(({ kind, name, address }): Probe => {
    const isUnique = handlers.filter((other) => other.name === name).length === 1;
    const fetch = [ORDER[kind], ...(fetched === "mapping" ? [START] : []), ANSWER].join(" ");
    return { type: "r", kind, place: isUnique ? name : placeOf(name, address, text), fetch };
  });
  if (probes.length > 0) return probes;
  throw hugebarError("ERR_NOT_SUPPORTED", {
    action: "trace faults on device memory",
    problem: "this kernel has no fault handler of VFIO; load vfio-pci first (modprobe vfio-pci)",
  });
}

interface Handler {
  readonly kind: Probe["kind"];
  /** As `MODULE:FUNCTION` */
  readonly name: string;
  /** 0 for who may not see addresses. */
  readonly address: bigint;
}

/**
 * Two functions of one name (two drivers of one family, built in) are refused by it ("The symbol is not unique"): those of the
 * kernel itself are told apart by where they lie.
 */
function placeOf(name: string, address: bigint, text: bigint | null): string {
  if (name.includes(":") || text === null || address <= text) return name;
  return `_text+0x${(address - text).toString(16)}`;
}
