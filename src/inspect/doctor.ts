/** What on a machine keeps device memory from huge pages, and the one thing to do about each point. */

import { formatSize } from "../layout/sizes.ts";
import { leafSizes } from "../layout/paging.ts";
import { hasHugePfnmap, hasOwnMemory } from "../rules/drivers.ts";
import { thpGate } from "../rules/gate.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import type { PciDevice } from "../vfio/pci-device.ts";
import { deviceIndex } from "./identify/device-index.ts";
import { inspectMachine } from "./inspect.ts";
import type { Inspection } from "./inspection.ts";
import { outcomeOf, type Outcome } from "./outcome.ts";
import type { Machine } from "./proc/machine.ts";
import { listFolder } from "./proc/read-file.ts";
import type { WhereAndWhen } from "./proc/recorded.ts";
import { regionInWords, type InspectedMapping } from "./judge/region-mappings.ts";

/** One point of the examination. */
export interface Finding {
  readonly topic: "kernel" | "thp" | "iommu" | "device" | "process";
  /** `problem`: something falls short. `note`: worth knowing, or not to be found out. */
  readonly state: "good" | "note" | "problem";
  readonly text: string;
  /** What to do about it; null where there is nothing to do. */
  readonly todo: string | null;
}

export interface Diagnosis extends WhereAndWhen {
  readonly machine: Machine;
  readonly findings: readonly Finding[];
  /** What the processes come to. */
  readonly outcome: Outcome;
}

/** A BAR from this size on is worth huge pages: with 4 KiB pages it costs 65,536 faults. */
const LARGE_BAR = 256 * 1024 * 1024;

export function diagnose(roots: MachineRoots): Diagnosis {
  const inspection = inspectMachine(roots);
  const { machine } = inspection;
  return {
    machine,
    host: inspection.host,
    time: inspection.time,
    outcome: outcomeOf(inspection),
    findings: [
      kernelFinding(machine),
      thpFinding(machine),
      iommuFinding(roots),
      ...deviceFindings(deviceIndex(roots.sys).all()),
      ...processFindings(inspection),
    ],
  };
}

function kernelFinding({ kernel, arch, model, withoutThp }: Machine): Finding {
  const topic = "kernel";
  const name = `Linux ${kernel === "" ? "of an unknown version" : kernel}, ${arch === "" ? "unknown architecture" : arch}`;
  if (model === null) {
    const text = `${name}: its page tables are not known to hugebar, which knows x86-64 and arm64`;
    return { topic, state: "note", text, todo: null };
  }
  const machine = `${name}, pages of ${formatSize(model.pageSize)}`;
  if (withoutThp) {
    const text = `${machine}: built without transparent huge pages, and so without huge pages for device memory`;
    return { topic, state: "problem", text, todo: "use a kernel built with CONFIG_TRANSPARENT_HUGEPAGE" };
  }
  switch (hasHugePfnmap(kernel, arch === "" ? null : arch)) {
    case true: {
      const sizes = leafSizes(model).slice(0, -1).map(formatSize).join(" and ");
      return {
        topic,
        state: "good",
        text: `${machine}: huge pages of ${sizes} for device memory`,
        todo: null,
      };
    }
    case false: {
      const text = `${machine}: no huge pages for device memory`;
      return { topic, state: "problem", text, todo: "use Linux 6.12 or newer" };
    }
    case null: {
      const text = `${machine}: whether its distribution has brought huge pages for device memory back to it, its version does not say`;
      return {
        topic,
        state: "note",
        text,
        todo: "run hugebar trace while a program starts, to see what the kernel does",
      };
    }
  }
}

function thpFinding({ kernel, thp: enabled }: Machine): Finding {
  const topic = "thp";
  const setting = `Set to ${enabled ?? "what cannot be read"}`;
  const gateFor = (advised: boolean) => thpGate({ kernel, enabled, advised });
  const todo = "write always to /sys/kernel/mm/transparent_hugepage/enabled, and restart the programs";
  if (gateFor(false) === "absent") {
    return { topic, state: "note", text: `${setting}, which does not matter on this kernel`, todo: null };
  }
  if (gateFor(false) === "open") {
    return { topic, state: "good", text: `${setting}: device memory gets huge pages`, todo: null };
  }
  if (gateFor(true) === "closed") {
    return { topic, state: "problem", text: `${setting}: no device memory gets huge pages`, todo };
  }
  if (gateFor(false) === "closed") {
    const text = `${setting}: only programs that ask for them (MADV_HUGEPAGE) get huge pages for device memory`;
    return { topic, state: "problem", text, todo };
  }
  return {
    topic,
    state: "note",
    text: `${setting}: what that means for device memory on this kernel is not known`,
    todo: null,
  };
}

function iommuFinding({ sys }: MachineRoots): Finding {
  const units = listFolder(`${sys}/class/iommu`);
  const groups = listFolder(`${sys}/kernel/iommu_groups`).length;
  if (units.length > 0 || groups > 0) {
    return {
      topic: "iommu",
      state: "good",
      text: `On, with ${groups} ${groups === 1 ? "group" : "groups"} of devices`,
      todo: null,
    };
  }
  return {
    topic: "iommu",
    state: "note",
    text: "No IOMMU is on: devices can be given to programs only in VFIO's unsafe no-IOMMU mode",
    todo: "switch it on in the firmware, and on older Intel kernels with intel_iommu=on on the kernel's command line",
  };
}

function deviceFindings(devices: readonly PciDevice[]): Finding[] {
  const large = devices.flatMap(({ bdf, driver, boundToVfio, resources }): Finding[] => {
    const bars = resources.filter(({ kind, size }) => kind === "memory" && size >= LARGE_BAR);
    if (bars.length === 0 && hasOwnMemory(driver)) {
      const text = `${bdf}: regions of memory that is no BAR; ${driver}, ready for programs`;
      return [{ topic: "device", state: "good", text, todo: null }];
    }
    if (bars.length === 0) return [];
    const sizes = bars.map(({ index, size }) => `region ${index} of ${formatSize(size)}`).join(", ");
    const unplaced = bars.some(({ address }) => address === 0n);
    const use = driver === null ? "no driver" : boundToVfio ? `${driver}, ready for programs` : driver;
    const text = `${bdf}: ${sizes}; ${use}`;
    if (!unplaced) return [{ topic: "device", state: "good", text, todo: null }];
    const todo =
      "give PCI more address space (Above 4G decoding, Resizable BAR in the firmware), or pci=realloc";
    return [{ topic: "device", state: "problem", text: `${text}; the kernel found no place for it`, todo }];
  });
  if (large.length > 0) return large;
  const text = `No PCI device has a BAR of ${formatSize(LARGE_BAR)} or more`;
  return [{ topic: "device", state: "note", text, todo: null }];
}

function processFindings({ processes }: Inspection): Finding[] {
  const found = processes.flatMap(({ pid, command, mappings }) =>
    mappings.map((mapping) => mappingFinding(`${pid} ${command}`, mapping)),
  );
  const refused = processes.filter((each) => each.refused === "not-permitted").length;
  if (refused > 0) {
    const text = `Processes that may not be looked at: ${refused}`;
    found.push({ topic: "process", state: "note", text, todo: "run hugebar as root, with CAP_SYS_PTRACE" });
  } else if (found.length === 0) {
    found.push({ topic: "process", state: "note", text: "No process maps device memory", todo: null });
  }
  return found;
}

function mappingFinding(process: string, mapping: InspectedMapping): Finding {
  const { verdict, reasons } = mapping;
  const text = `${process}: ${regionInWords(mapping)} is ${verdict}`;
  const todo = reasons[0]?.advice ?? null;
  if (verdict === "huge") return { topic: "process", state: "good", text, todo: null };
  return { topic: "process", state: verdict === "unknown" ? "note" : "problem", text, todo };
}
