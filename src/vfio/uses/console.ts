/** Whether a function shows the machine's console, or carries it. */

import { join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readAttribute, readFolder, readNumber } from "../sysfs/sysfs.ts";
import { namesWithin } from "./machine/iomem.ts";
import { textOf } from "./machine/reading.ts";
import { classDevices, followLink, leadsThrough } from "./machine/sysfs-paths.ts";

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
  return [...uses, ...consolesOn(roots, bdf), ...keyboardsOn(roots, bdf)];
}

/** Serial ports say it themselves; `/proc/consoles` has those on USB, and the ones of virtio, which sysfs places nowhere. */
function consolesOn(roots: MachineRoots, bdf: string): string[] {
  const { sys } = roots;
  const consoles = new Set(
    [...textOf(roots.proc, "consoles").matchAll(/^(\S+)/gm)].map(([, name = ""]) => name),
  );
  const placed = classDevices(sys, "class/tty")
    .filter(
      ({ name, path }) =>
        leadsThrough(path, bdf) && (consoles.has(name) || readAttribute(path, "console") === "Y"),
    )
    .map(({ name }) => `/dev/${name} is a console of the kernel`);
  const ports = classDevices(sys, "class/virtio-ports");
  if (!ports.some(({ path }) => leadsThrough(path, bdf))) return placed;
  const isOnly = ports.every(({ path }) => leadsThrough(path, bdf));
  const doubt = isOnly ? "" : ", which may be this one's";
  const virtio = [...consoles].filter((name) => /^hvc\d+$/.test(name));
  return [...placed, ...virtio.map((name) => `/dev/${name} is a console of the kernel${doubt}`)];
}

/** Keyboards that the kernel's text console hears, though no process has them open. */
function keyboardsOn({ sys }: MachineRoots, bdf: string): string[] {
  if (!classDevices(sys, "class/tty").some(({ name }) => name === "tty0")) return [];
  return classDevices(sys, "class/input")
    .filter(({ name, path }) => /^input\d+$/.test(name) && leadsThrough(path, bdf) && isKeyboard(path))
    .map(
      ({ name, path }) => `a keyboard of the text console is on it (${readAttribute(path, "name") ?? name})`,
    );
}

/** As udev tells keyboards from buttons: the keys 1 to 31 (builtin_input_id). The lowest word stands last. */
function isKeyboard(path: string): boolean {
  const lowest = (readAttribute(path, "capabilities/key") ?? "").split(" ").at(-1) ?? "";
  const keys = Number.parseInt(lowest.slice(-8), 16);
  return (keys | 1) >>> 0 === 0xffff_ffff;
}

/** Below the function since Linux 6.9; before, its memory lies in one of the function's BARs. */
function firmwareFramebuffer(roots: MachineRoots, home: string, bdf: string): string | null {
  const below = (readFolder(home) ?? []).find((name) => FIRMWARE_FRAMEBUFFER.test(name));
  if (below !== undefined) return below;
  return namesWithin(roots, bdf).find((name) => FIRMWARE_MEMORY.test(name)) ?? null;
}
