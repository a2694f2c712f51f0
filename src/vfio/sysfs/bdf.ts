/** PCI addresses: `0000:01:00.0` is domain, bus, device and function (BDF), in hexadecimal. */

import { unusable } from "../../arguments.ts";
import { hugebarError } from "../../errors.ts";

// A domain can have more than four digits: Hyper-V and VMD number theirs from 0x10000.
const BDF = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i;
const LAST_DEVICE = 0x1f;

/**
 * A PCI address in full, `0000:01:00.0`, from that or from the short form `01:00.0`; null for anything else.
 */
export function fullBdf(text: string): string | null {
  const [, domain = "0000", bus, device, slotFunction] = BDF.exec(text) ?? [];
  if (bus === undefined || device === undefined || slotFunction === undefined) return null;
  if (Number.parseInt(device, 16) > LAST_DEVICE) return null;
  return `${domain}:${bus}:${device}.${slotFunction}`.toLowerCase();
}

/** The order of addresses, whatever the width of their domains: `0000:…` before `7d5e:…` before `10000:…`. */
export function compareBdf(one: string, other: string): number {
  const domains = [one, other].map((bdf) => Number.parseInt(bdf, 16));
  const byDomain = (domains[0] ?? 0) - (domains[1] ?? 0);
  return byDomain !== 0 ? byDomain : one < other ? -1 : one > other ? 1 : 0;
}

/** As `fullBdf`. @throws ERR_ARGUMENT when the text is no PCI address. */
export function parseBdf(text: string): string {
  if (typeof text !== "string") throw unusable("device", text, "its PCI address must be a string");
  const bdf = fullBdf(text);
  if (bdf !== null) return bdf;
  throw hugebarError("ERR_ARGUMENT", {
    what: `device ${JSON.stringify(text)}`,
    problem: "a PCI address looks like 0000:01:00.0",
  });
}

/** Whether a name in sysfs is that of a PCI function. */
export function isBdf(name: string): boolean {
  return name.length >= "0000:00:00.0".length && fullBdf(name) === name;
}
