/** What on a machine keeps device memory from huge pages, and the one thing to do about each point. */

import { formatSize } from "../layout/sizes.ts";
import { hasOwnMemory } from "../rules/drivers.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import type { PciDevice } from "../vfio/pci-device.ts";
import { deviceIndex } from "./identify/device-index.ts";
import type { Finding } from "./finding.ts";
import { inspectMachine } from "./inspect.ts";
import { kernelFindings, thpFinding } from "./kernel-findings.ts";
import type { Inspection } from "./inspection.ts";
import { outcomeOf, type Outcome } from "./outcome.ts";
import type { Machine } from "./proc/machine.ts";
import { listFolder } from "./proc/read-file.ts";
import type { WhereAndWhen } from "./proc/recorded.ts";
import { regionInWords, type InspectedMapping } from "./judge/region-mappings.ts";

export type { Finding };

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
      ...kernelFindings(inspection),
      thpFinding(machine),
      iommuFinding(roots),
      ...deviceFindings(deviceIndex(roots.sys).all()),
      ...processFindings(inspection),
    ],
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
