/** Whether a function shows the machine's console, or carries it. */

import { join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readAttribute, readFolder, readNumber } from "../sysfs/sysfs.ts";
import { textOf } from "./reading.ts";
import { classDevices, followLink, leadsThrough } from "./sysfs-paths.ts";

const PCI_BASE_CLASS_DISPLAY = 0x03;
/** Platform devices by which the kernel draws into what the firmware has set up. */
const FIRMWARE_FRAMEBUFFER = /^(?:efi-framebuffer|vesa-framebuffer|simple-framebuffer|simpledrm)\.\d+$/;
/** What they, and the kernel before them, call that memory in `/proc/iomem`. */
const FIRMWARE_MEMORY = /^(?:efifb|simplefb|vesafb|simpledrm|BOOTFB)$|framebuffer/i;

export function consoleUses(roots: MachineRoots, bdf: string): string[] {
  const { sys } = roots;
  const home = followLink(join(sys, "bus/pci/devices", bdf));
  const uses: string[] = [];
  const isDisplay = (readNumber(home, "class") ?? 0) >>> 16 === PCI_BASE_CLASS_DISPLAY;
  if (isDisplay && readNumber(home, "boot_vga") === 1) {
    uses.push("it is the display that the machine has started with (boot_vga)");
  }
  const firmware = firmwareFramebuffer(roots, home, bdf);
  if (firmware !== null) uses.push(`the firmware's framebuffer is on it (${firmware})`);
  const hasConsole = classDevices(sys, "class/vtconsole").some(
    ({ path }) =>
      readNumber(path, "bind") === 1 && (readAttribute(path, "name") ?? "").includes("frame buffer"),
  );
  const isFirst = classDevices(sys, "class/graphics").some(
    ({ name, path }) => name === "fb0" && leadsThrough(path, bdf),
  );
  if (hasConsole && isFirst) uses.push("the text console is on it (fb0)");
  for (const { name, path } of classDevices(sys, "class/tty")) {
    if (leadsThrough(path, bdf) && readAttribute(path, "console") === "Y") {
      uses.push(`/dev/${name} is a console of the kernel`);
    }
  }
  return uses;
}

/** Below the function since Linux 6.9; before, its memory lies in one of the function's BARs. */
function firmwareFramebuffer(roots: MachineRoots, home: string, bdf: string): string | null {
  const below = (readFolder(home) ?? []).find((name) => FIRMWARE_FRAMEBUFFER.test(name));
  if (below !== undefined) return below;
  let depth: number | null = null;
  for (const line of textOf(roots.proc, "iomem").split("\n")) {
    const [, indent = "", name = ""] = /^( *)[0-9a-f]+-[0-9a-f]+ : (.*)$/i.exec(line) ?? [];
    if (depth !== null && indent.length <= depth) depth = null;
    if (depth !== null && FIRMWARE_MEMORY.test(name)) return name;
    if (depth === null && name === bdf) depth = indent.length;
  }
  return null;
}
