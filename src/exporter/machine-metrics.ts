/** The collector for the machine: kernel, setting, gate. */

import type { Machine } from "../inspect/proc/machine.ts";
import { hasHugePfnmap } from "../rules/drivers.ts";
import { thpGate } from "../rules/gate.ts";
import { addStates, gauge, type Family } from "./families.ts";

const SETTINGS = ["always", "madvise", "never", "unknown"];
const GATES = ["open", "closed", "absent", "unknown"];

export function machineMetrics(machine: Machine): Family[] {
  const kernel = gauge("hugebar_kernel_info", "The running kernel; the value is 1.");
  const pageSize = String(machine.model?.pageSize ?? "unknown");
  kernel.add({ release: machine.kernel, arch: machine.arch, page_size: pageSize }, 1);

  const setting = gauge(
    "hugebar_thp_setting",
    "Which word of transparent_hugepage/enabled is in brackets: 1 for that one.",
  );
  addStates(setting, {}, "setting", SETTINGS, machine.thp ?? "unknown");

  const gate = gauge(
    "hugebar_thp_gate",
    "Whether this kernel lets a VFIO mapping that gave advice (true) or none (false) have huge leaves: 1 for what holds.",
  );
  for (const advised of [true, false]) {
    const state = {
      kernel: machine.kernel,
      arch: machine.arch,
      enabled: machine.thp,
      withoutThp: machine.withoutThp,
    };
    addStates(gate, { advised: String(advised) }, "gate", GATES, thpGate({ ...state, advised }));
  }

  const supported = gauge(
    "hugebar_huge_pfnmap_supported",
    "Whether this kernel has huge leaves for vfio-pci's memory; no sample where its name does not tell.",
  );
  const has = hasHugePfnmap(machine.kernel, machine.arch);
  supported.add({}, has === null ? null : Number(has && !machine.withoutThp));
  return [kernel, setting, gate, supported];
}
