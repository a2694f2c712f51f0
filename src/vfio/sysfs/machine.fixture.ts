/** A recorded machine for tests: a folder that stands for `/sys`, with the devices asked for. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

/** A PCI device as it is to stand in sysfs. */
export interface MachineDevice {
  readonly bdf: string;
  readonly vendor?: number;
  readonly device?: number;
  readonly class?: number;
  readonly driver?: string | null;
  /** Null: behind no IOMMU. */
  readonly group?: number | null;
  readonly groupName?: string;
  /** The name of its VFIO device, where a VFIO driver is bound to it and the kernel is 6.1 or newer. */
  readonly vfioDevice?: string | null;
  /** Whether the kernel makes character devices for VFIO. */
  readonly hasCdev?: boolean;
  readonly numaNode?: number;
  /** Lines of the `resource` file. */
  readonly resources?: readonly string[];
}

/** Where a device is at home in the folder. */
export function deviceHome(sys: string, bdf: string): string {
  return join(sys, "devices/pci0000:00", bdf);
}

/** Writes the folder, in one of its own, and returns its path; the test's end takes both away. */
export function recordMachine(test: Pick<TestContext, "after">, devices: readonly MachineDevice[]): string {
  const root = mkdtempSync(join(tmpdir(), "hugebar-machine-"));
  test.after(() => rmSync(root, { recursive: true }));
  const sys = join(root, "sys");
  mkdirSync(join(sys, "bus/pci/devices"), { recursive: true });
  mkdirSync(join(sys, "bus/pci/drivers/vfio-pci"), { recursive: true });
  for (const device of devices) recordDevice(sys, device);
  return sys;
}

/**
 * Adds files to a recorded machine, by their paths below `root`. One that begins with an arrow, `-> ../../x`, is a link;
 * null is an empty folder.
 */
export function recordFiles(root: string, files: Readonly<Record<string, string | Uint8Array | null>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(content === null ? path : dirname(path), { recursive: true });
    if (content === null) continue;
    if (typeof content === "string" && content.startsWith("-> "))
      symlinkSync(content.slice("-> ".length), path);
    else writeFileSync(path, content);
  }
}

function recordDevice(sys: string, device: MachineDevice): void {
  const { bdf, driver = "vfio-pci", group = 7, hasCdev = true } = device;
  const vfioDevice = device.vfioDevice === undefined ? defaultVfioDevice(bdf, driver) : device.vfioDevice;
  const home = deviceHome(sys, bdf);
  mkdirSync(home, { recursive: true });
  symlinkSync(`../../../devices/pci0000:00/${bdf}`, join(sys, "bus/pci/devices", bdf));
  writeFileSync(join(home, "vendor"), hexLine(device.vendor ?? 0x1b36));
  writeFileSync(join(home, "device"), hexLine(device.device ?? 0x0005));
  writeFileSync(join(home, "class"), hexLine(device.class ?? 0x00ff00));
  writeFileSync(join(home, "numa_node"), `${device.numaNode ?? -1}\n`);
  writeFileSync(join(home, "driver_override"), "(null)\n");
  writeFileSync(join(home, "resource"), (device.resources ?? []).map((line) => `${line}\n`).join(""));
  if (driver !== null) symlinkSync(`../../../bus/pci/drivers/${driver}`, join(home, "driver"));
  if (vfioDevice !== null) {
    mkdirSync(join(home, "vfio-dev", vfioDevice), { recursive: true });
    if (hasCdev) writeFileSync(join(home, "vfio-dev", vfioDevice, "dev"), "511:0\n");
  }
  if (group === null) return;
  const groupHome = join(sys, "kernel/iommu_groups", String(group));
  mkdirSync(join(groupHome, "devices"), { recursive: true });
  if (device.groupName !== undefined) writeFileSync(join(groupHome, "name"), `${device.groupName}\n`);
  symlinkSync(`../../../../devices/pci0000:00/${bdf}`, join(groupHome, "devices", bdf));
  symlinkSync(`../../../kernel/iommu_groups/${group}`, join(home, "iommu_group"));
}

function defaultVfioDevice(bdf: string, driver: string | null): string | null {
  return driver === "vfio-pci" ? `vfio-${bdf}` : null;
}

function hexLine(value: number): string {
  return `0x${value.toString(16)}\n`;
}
