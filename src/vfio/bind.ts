/** Carries out what `bind-plan.ts` laid down. */

import { hugebarError } from "../errors.ts";
import { O_CLOEXEC, O_WRONLY } from "../system/constants.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { VFIO_PCI, type BindStep, type SysfsWrite } from "./bind-plan.ts";
import type { MachineRoots } from "./device-uses.ts";
import { pciDevicePath, readPciDevice } from "./pci-device.ts";
import { readFolder } from "./sysfs.ts";

/** One device that changed hands. */
export interface BoundDevice {
  readonly bdf: string;
  readonly from: string | null;
  /** The driver it has now. */
  readonly to: string | null;
}

/**
 * Makes the writes of the steps and looks whether each device has the driver meant. A device that does not get it is
 * given back to the driver it had, and the steps behind it are not taken.
 *
 * @throws ERR_PERMISSION, ERR_NOT_SUPPORTED where vfio-pci is not loaded, ERR_SYSTEM when a write fails or the kernel
 *   gives the device to another driver.
 */
export function carryOut(steps: readonly BindStep[], { sys }: MachineRoots, system: System): BoundDevice[] {
  requireVfioPci(steps, sys);
  return steps.map((step) => {
    const { bdf, from, to, writes } = step;
    const action = to === null ? `unbind ${bdf}` : `bind ${bdf}`;
    try {
      for (const write of writes) writeAttribute(write, action, system);
      const { driver, boundToVfio } = readPciDevice(sys, bdf);
      if (to !== null && !boundToVfio) {
        const problem = `${driver ?? "no driver"} took it instead of ${to}; the kernel's log says why`;
        throw hugebarError("ERR_SYSTEM", { action, problem });
      }
      return { bdf, from, to: driver };
    } catch (error) {
      if (to !== null) giveBack(step, sys, system);
      throw error;
    }
  });
}

function requireVfioPci(steps: readonly BindStep[], sys: string): void {
  const first = steps.find(({ to }) => to === VFIO_PCI);
  if (first === undefined || readFolder(sys, "bus/pci/drivers", VFIO_PCI) !== null) return;
  throw hugebarError("ERR_NOT_SUPPORTED", {
    action: `bind ${first.bdf}`,
    problem: `the kernel has no driver ${VFIO_PCI}; load it with \`modprobe ${VFIO_PCI}\``,
  });
}

/** After a step that failed half-way: no override, and the driver that the kernel finds, which is the one it had. */
function giveBack({ bdf, writes }: BindStep, sys: string, system: System): void {
  const back: SysfsWrite[] = [{ path: `${pciDevicePath(sys, bdf)}/driver_override`, value: "\n" }];
  const probe = writes.at(-1);
  if (probe !== undefined) back.push(probe);
  for (const write of back) {
    try {
      writeAttribute(write, `give ${bdf} back`, system);
    } catch {
      // The error that led here is the one to tell.
    }
  }
}

function writeAttribute({ path, value }: SysfsWrite, action: string, system: System): void {
  try {
    const fd = system.open(path, O_WRONLY | O_CLOEXEC);
    try {
      system.write(fd, Buffer.from(value));
    } finally {
      system.close(fd);
    }
  } catch (error) {
    throw writeError(path, value, action, error);
  }
}

function writeError(path: string, value: string, action: string, cause: unknown): unknown {
  if (!(cause instanceof SystemCallError)) return cause;
  if (cause.code === "EACCES" || cause.code === "EPERM" || cause.code === "EROFS") {
    return hugebarError(
      "ERR_PERMISSION",
      { action, problem: `no permission to write ${path}; run as root` },
      cause,
    );
  }
  const problem = `writing ${JSON.stringify(value)} to ${path}: ${cause.code}`;
  return hugebarError("ERR_SYSTEM", { action, problem }, cause);
}
