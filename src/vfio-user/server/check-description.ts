/** What a device's author gives, of the right kinds, before anything is made of it; what it says is checked where it is used. */

import {
  requireBoolean,
  requireFunction,
  requireOptions,
  requireWhole,
  requireWord,
  unusable,
} from "../../arguments.ts";
import { requireList } from "../../layout/checks.ts";
import { SharedMemory } from "../../memory/shared-memory.ts";
import { PCI_STD_HEADER_SIZEOF } from "../../device/file/pci-regs.ts";
import { checkCapabilityData } from "./pci/capability-data.ts";
import { checkExtendedCapability } from "./pci/extended-capabilities.ts";
import { checkVectors } from "./pci/pci-capabilities.ts";
import type { DeviceDescription } from "./device-description.ts";
import type { MigrationDescription } from "./migration/migration-description.ts";
import type { BarKind, DeviceRegion, IoEventFd, RegionRegisters } from "./parts/region-description.ts";
import type { PciDescription } from "./pci/pci-config-space.ts";

const FUNCTIONS = [
  "reset",
  "quiesce",
  "resume",
  "irqChanged",
  "dmaMapped",
  "dmaUnmapping",
  "connected",
  "disconnected",
] as const satisfies readonly (keyof DeviceDescription)[];

/** @throws ERR_ARGUMENT, naming the value */
export function checkDescription(description: DeviceDescription): void {
  requireOptions("of a device", description);
  const { pci, regions } = description;
  if (pci !== undefined) checkPci(pci);
  requireList("regions", regions);
  for (const region of regions) checkRegion(region);
  for (const what of FUNCTIONS) optionalFunction(what, description[what]);
  if (description.dmaByMessages !== undefined) requireBoolean("dmaByMessages", description.dmaByMessages);
  if (description.migration !== undefined) checkMigration(description.migration);
}

function checkMigration(migration: MigrationDescription): void {
  requireOptions("of a device's migration", migration);
  for (const what of ["save", "load"]) requireFunction(what, Reflect.get(migration, what));
  for (const what of ["stop", "start", "preCopy"]) optionalFunction(what, Reflect.get(migration, what));
}

/** @throws ERR_ARGUMENT */
export function requireSocket(socket: unknown): asserts socket is string {
  if (typeof socket !== "string") throw unusable("socket", socket, "it must be a path");
}

/** @throws ERR_ARGUMENT for anything but a function or nothing */
function optionalFunction(what: string, value: unknown): void {
  if (value !== undefined) requireFunction(what, value);
}

function checkRegion(region: DeviceRegion): void {
  const { index, size, memory, areas, readOnly, read, write, registers, ioeventfds, bar } = region;
  requireNumber("the index of a region", index);
  if (size !== undefined) requireNumber("the size of a region", size);
  if (memory !== undefined && memory !== "sparse" && !(memory instanceof SharedMemory)) {
    throw unusable("memory", memory, 'it must be a SharedMemory or "sparse"');
  }
  if (areas !== undefined) requireList("areas", areas);
  if (readOnly !== undefined) requireBoolean("readOnly", readOnly);
  optionalFunction("read", read);
  optionalFunction("write", write);
  if (registers !== undefined) checkRegisters(registers);
  if (bar !== undefined) checkBar(bar);
  if (ioeventfds === undefined) return;
  requireList("ioeventfds", ioeventfds);
  for (const ioeventfd of ioeventfds) checkIoeventfd(ioeventfd);
}

function checkBar(bar: BarKind): void {
  requireOptions("of a BAR", bar);
  requireWord("the type of a BAR", bar.type, ["memory", "io"]);
  if (bar.type === "io") return;
  const { width, prefetchable } = bar;
  if (width !== undefined && width !== 32 && width !== 64)
    throw unusable("the width of a BAR", width, "it must be 32 or 64");
  if (prefetchable !== undefined) requireBoolean("prefetchable", prefetchable);
}

function checkRegisters(registers: RegionRegisters): void {
  const described = typeof registers === "object" && registers !== null;
  if (described && typeof registers.size === "number" && typeof registers.reset === "function") return;
  throw unusable("registers", registers, "they must be what defineRegisters() returns");
}

function checkIoeventfd({ offset, size, datamatch, onKick }: IoEventFd): void {
  requireNumber("the offset of an ioeventfd", offset);
  requireNumber("the size of an ioeventfd", size);
  if (datamatch !== undefined && typeof datamatch !== "bigint") {
    throw unusable("datamatch", datamatch, "it must be a bigint");
  }
  requireFunction("onKick", onKick);
}

function checkPci(pci: PciDescription): void {
  requireOptions("of a PCI device", pci);
  const { vendor, device, subsystemVendor, subsystem, revision, intx, capabilities } = pci;
  requireNumber("vendor", vendor);
  requireNumber("device", device);
  const others = { subsystemVendor, subsystem, class: pci.class, revision };
  for (const [what, value] of Object.entries(others)) if (value !== undefined) requireNumber(what, value);
  if (intx !== undefined) requireBoolean("intx", intx);
  if (pci.ignoresBusMaster !== undefined) requireBoolean("ignoresBusMaster", pci.ignoresBusMaster);
  if (pci.extendedCapabilities !== undefined) {
    requireList("extendedCapabilities", pci.extendedCapabilities);
    for (const capability of pci.extendedCapabilities) checkExtendedCapability(capability);
  }
  if (capabilities === undefined) return;
  requireList("capabilities", capabilities);
  for (const capability of capabilities) {
    requireWord("the type of a capability", capability.type, ["pm", "msi", "msix", "pcie", "af", "vendor"]);
    if (capability.type === "pm" && capability.softReset !== undefined)
      requireBoolean("softReset", capability.softReset);
    if (capability.offset !== undefined)
      requireWhole("the offset of a capability", capability.offset, PCI_STD_HEADER_SIZEOF, 0xfc);
    if (capability.type === "vendor") checkCapabilityData("a capability", capability);
    if (capability.type === "msix") {
      for (const place of [capability.table, capability.pba]) {
        requireOptions("of an MSI-X structure", place);
        requireNumber("the BAR of an MSI-X structure", place.bar);
        requireNumber("the offset of an MSI-X structure", place.offset);
      }
    }
    if (capability.type === "msi" || capability.type === "msix") {
      requireNumber("vectors", capability.vectors);
      checkVectors(capability);
    }
  }
}

function requireNumber(what: string, value: unknown): void {
  if (typeof value !== "number") throw unusable(what, value, "it must be a number");
}
