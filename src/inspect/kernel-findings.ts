/** What an examination finds of the kernel: whether it has huge pages for device memory, how well, and under what settings. */

import { leafSizes } from "../layout/paging.ts";
import { formatSize } from "../layout/sizes.ts";
import { makerOf } from "../rules/learned.ts";
import { hasHugePfnmap, hugePfnmapSince, isVfioPci } from "../rules/drivers.ts";
import { thpGate } from "../rules/gate.ts";
import { faultHandler } from "../rules/handler.ts";
import type { Finding } from "./finding.ts";
import type { Inspection } from "./inspection.ts";
import { settingTodo } from "./judge/counsel.ts";

const topic = "kernel";

export function kernelFindings(inspection: Inspection): Finding[] {
  const { machine } = inspection;
  const { kernel, arch, model, pageSize, withoutThp } = machine;
  const name = `Linux ${kernel === "" ? "of an unknown version" : kernel}, ${arch === "" ? "unknown architecture" : arch}`;
  const text = pageSize === null ? name : `${name}, pages of ${formatSize(pageSize)}`;
  if (withoutThp) {
    return [
      {
        topic,
        state: "problem",
        text: `${text}: built without transparent huge pages, and so without huge pages for device memory`,
        todo: "use a kernel built with CONFIG_TRANSPARENT_HUGEPAGE",
      },
    ];
  }
  const [byName, byProcess] = [hasHugePfnmap(kernel, arch === "" ? null : arch), seenInProcesses(inspection)];
  const has = byProcess ?? byName;
  if (has === false) return [withoutFinding(text, arch, byProcess === false ? seenBy(inspection) : "")];
  if (model === null) {
    return [{ topic, state: "note", text: `${text}: its page tables are not known to hugebar`, todo: null }];
  }
  if (has === null) {
    return [
      {
        topic,
        state: "note",
        text: `${text}: whether it has huge pages for device memory, its version does not say`,
        todo: "run hugebar inspect while a program maps a device: the kernel itself tells then",
      },
    ];
  }
  const sizes = leafSizes(model).slice(0, -1).map(formatSize).join(" and ");
  const seen = byName === null ? ", by what it says of a process's mapping (THPeligible)" : "";
  const good: Finding = {
    topic,
    state: "good",
    text: `${text}: huge pages of ${sizes} for device memory${seen}`,
    todo: null,
  };
  const handler = handlerFinding(kernel);
  return handler === null ? [good] : [good, handler];
}

/** By what the kernel says of mappings that are there; null where there are none that it tells anything of. */
function seenInProcesses({ machine, processes, learned }: Inspection): boolean | null {
  const shown = learned.hugeLeaves[makerOf({ driver: null, region: null })];
  if (shown === false) return false;
  const rows = processes.flatMap(({ mappings }) => mappings);
  const huge = rows
    .filter(({ source }) => source === "THPeligible")
    .flatMap(({ now, between }) => (now ?? between?.[0])?.leaves ?? [])
    .some(({ size }) => size > (machine.pageSize ?? Infinity));
  if (huge) return true;
  // Other drivers write over the offset on every kernel.
  const isWithout = rows.some(
    ({ source, identity: { driver, region } }) =>
      source === "file-offset" && driver !== null && isVfioPci(driver, region),
  );
  return isWithout ? false : null;
}

/** What shows that there are none. */
function seenBy({ processes }: Inspection): string {
  const byOffset = processes.some(({ mappings }) => mappings.some(({ source }) => source === "file-offset"));
  return byOffset
    ? ", by the physical addresses in the offsets of vfio-pci's mappings"
    : ", by what it says of a process's mapping (THPeligible)";
}

function withoutFinding(text: string, arch: string, by: string): Finding {
  const none = `${text}: no huge pages for device memory${by}`;
  // No kernel has them there, up to the newest.
  const since = hugePfnmapSince(arch === "" ? null : arch);
  if (since === null) {
    return { topic, state: "note", text: `${none}, nor has any other for this architecture`, todo: null };
  }
  return { topic, state: "problem", text: none, todo: `use Linux ${since} or newer` };
}

/** What is wrong with the way the kernel lays them; null where nothing is. */
function handlerFinding(kernel: string): Finding | null {
  const { mapsWrongMemory, dependsOnOrder } = faultHandler(kernel);
  const update = "update to Linux 6.12.29, 6.14.7, 6.15 or newer";
  if (mapsWrongMemory === true) {
    return {
      topic,
      state: "problem",
      text: "This kernel lays huge pages over misaligned mappings of device memory that show wrong memory (mended in 6.12.10 and 6.13)",
      todo: `${update}, and give no device to a program before`,
    };
  }
  if (dependsOnOrder === true) {
    return {
      topic,
      state: "problem",
      text: "This kernel gives a block of device memory a huge page only if its first page is touched first",
      todo: update,
    };
  }
  if (mapsWrongMemory === false && dependsOnOrder === false) return null;
  const wrong =
    mapsWrongMemory === null
      ? 'shows no wrong memory where a mapping is misaligned ("vfio/pci: Fallback huge faults for unaligned pfn"), and '
      : "";
  return {
    topic,
    state: "note",
    text: `Whether this kernel ${wrong}gives a block of device memory its huge page whatever is touched first ("vfio/pci: Align huge faults to order"), its version does not say`,
    todo: "ask the distribution whether it has taken up what is named here",
  };
}

/** What the setting of transparent huge pages does here: a problem where it keeps anything from huge pages, or would all. */
export function thpFinding({ machine, processes }: Inspection): Finding {
  const { kernel, arch, withoutThp, thp: enabled } = machine;
  const setting = `Set to ${enabled ?? "what cannot be read"}`;
  const gateFor = (advised: boolean) =>
    thpGate({ kernel, arch: arch === "" ? null : arch, withoutThp, enabled, advised });
  const finding = (state: Finding["state"], text: string, todo: string | null = null): Finding => ({
    topic: "thp",
    state,
    text: `${setting}${text}`,
    todo,
  });
  if (gateFor(false) === "absent") return finding("note", ", which does not matter on this kernel");
  if (gateFor(false) === "open") return finding("good", ": device memory gets huge pages");
  if (gateFor(false) !== "closed")
    return finding("note", ": what that means for device memory on this kernel is not known");
  const isHeldBack = processes.some(({ mappings }) =>
    mappings.some(
      ({ verdict, reasons }) => verdict !== "huge" && reasons.some(({ code }) => code === "thp-gate"),
    ),
  );
  const todo = isHeldBack ? "what to write, or to do in its place, stands with the processes below" : null;
  if (gateFor(true) === "closed")
    return finding(
      "problem",
      ": no device memory gets huge pages",
      todo ?? settingTodo(enabled, "QEMU", "the programs"),
    );
  return finding(
    isHeldBack ? "problem" : "note",
    ": only programs that ask for them (MADV_HUGEPAGE), as QEMU does, get huge pages for device memory",
    todo,
  );
}
