/** What on a machine keeps device memory from huge pages, and the one thing to do about each point. */

import type { MachineRoots } from "../vfio/device-uses.ts";
import { deviceFindings, dmaFindings } from "./doctor-devices.ts";
import { processFindings } from "./doctor-processes.ts";
import { deviceIndex } from "./identify/device-index.ts";
import type { Finding } from "./finding.ts";
import { inspectMachine } from "./inspect.ts";
import { kernelFindings, thpFinding } from "./kernel-findings.ts";
import { outcomeOf, type Outcome } from "./outcome.ts";
import type { Machine } from "./proc/machine.ts";
import { listFolder } from "./proc/read-file.ts";
import type { WhereAndWhen } from "./proc/recorded.ts";

export type { Finding };

export interface Diagnosis extends WhereAndWhen {
  readonly machine: Machine;
  readonly findings: readonly Finding[];
  /** What the processes come to. */
  readonly outcome: Outcome;
}

export function diagnose(roots: MachineRoots): Diagnosis {
  const inspection = inspectMachine(roots);
  const { machine } = inspection;
  const devices = deviceIndex(roots.sys).all();
  return {
    machine,
    host: inspection.host,
    time: inspection.time,
    outcome: outcomeOf(inspection),
    findings: [
      ...kernelFindings(inspection),
      thpFinding(inspection),
      iommuFinding(roots),
      ...dmaFindings(machine, devices),
      ...deviceFindings(machine, devices),
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
