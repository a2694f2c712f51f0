/** Which devices are meant, as `lspci -s` and `lspci -d` have it. */

import { hugebarError } from "../../errors.ts";
import type { PciDevice } from "./pci-device.ts";

export type PciFilter = (device: Pick<PciDevice, "bdf" | "vendor" | "device" | "class">) => boolean;

/** Left out or `*`: any. */
const HEX = String.raw`(\*|[0-9a-f]*)`;
const SLOT = new RegExp(`^(?:(?:${HEX}:)?${HEX}:)?${HEX}(?:\\.(\\*|[0-7]?))?$`, "i");
/** A class may have an `x` for any digit. */
const ID = new RegExp(`^${HEX}:${HEX}(?::(\\*|[0-9a-fx]{0,4})(?::${HEX})?)?$`, "i");

/** @param text `[[[[DOMAIN]:]BUS]:][DEVICE][.[FUNCTION]]`. @throws ERR_ARGUMENT for anything else */
export function parseSlotFilter(text: string): PciFilter {
  const parts = SLOT.exec(text);
  if (parts === null) throw unusable("--slot", text, "[[[[DOMAIN]:]BUS]:][DEVICE][.[FUNCTION]], as 01:00.0");
  const [domain, bus, device, slotFunction] = parts.slice(1, 5).map(valueOf);
  return ({ bdf }) => {
    const numbers = bdf.split(/[:.]/).map((part) => Number.parseInt(part, 16));
    return [domain, bus, device, slotFunction].every((wanted, index) => fits(wanted, numbers[index]));
  };
}

/** @param text `[VENDOR]:[DEVICE][:CLASS[:INTERFACE]]`. @throws ERR_ARGUMENT for anything else */
export function parseIdFilter(text: string): PciFilter {
  const parts = ID.exec(text);
  if (parts === null) throw unusable("--id", text, "[VENDOR]:[DEVICE][:CLASS[:INTERFACE]], as 10de:");
  const [vendor, device] = parts.slice(1, 3).map(valueOf);
  const classText = (parts[3] ?? "").toLowerCase();
  const programming = valueOf(parts[4]);
  const anyClass = classText === "" || classText === "*";
  const classPattern = new RegExp(`^${classText.padStart(4, "0").replaceAll("x", "[0-9a-f]")}$`);
  return (candidate) =>
    fits(vendor, candidate.vendor) &&
    fits(device, candidate.device) &&
    (anyClass || classPattern.test((candidate.class >>> 8).toString(16).padStart(4, "0"))) &&
    fits(programming, candidate.class & 0xff);
}

/** Null: any. */
function valueOf(text: string | undefined): number | null {
  return text === undefined || text === "" || text === "*" ? null : Number.parseInt(text, 16);
}

function fits(wanted: number | null | undefined, value: number | undefined): boolean {
  return wanted === null || wanted === undefined || wanted === value;
}

function unusable(option: string, text: string, form: string): Error {
  return hugebarError("ERR_ARGUMENT", { what: `${option} ${JSON.stringify(text)}`, problem: `give ${form}` });
}
