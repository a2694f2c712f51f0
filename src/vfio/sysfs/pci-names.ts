/** Names of vendors, devices and classes, from hwdata's pci.ids where it is installed. */

import { readFileSync } from "node:fs";

/** Where distributions put it: Fedora, Arch and SUSE; Debian and Ubuntu; older ones. */
const PLACES = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids", "/usr/share/pci.ids"];

export interface PciNames {
  /** Null for one that the file does not list. */
  vendor(vendor: number): string | null;
  device(vendor: number, device: number): string | null;
  /** Of the subclass, else of the class: `3D controller`. @param pciClass class, subclass and programming interface */
  class(pciClass: number): string | null;
}

/** Nobody has a name where no file is installed. */
export function readPciNames(places: readonly string[] = PLACES): PciNames {
  for (const place of places) {
    try {
      return parsePciNames(readFileSync(place, "utf8"));
    } catch {
      // The next place.
    }
  }
  return parsePciNames("");
}

/**
 * Lines `VVVV  Name`, below a vendor `\tDDDD  Name`, below a device `\t\tSSSS SSSS  Name`; classes are `C CC  Name`, below
 * them `\tSS  Name`. A `#` begins a comment.
 */
export function parsePciNames(text: string): PciNames {
  const names = new Map<string, string>();
  let parent = "";
  for (const line of text.split("\n")) {
    const [, indent = "", id = "", name = ""] =
      /^(\t?)(C [0-9a-f]{2}|[0-9a-f]{4}|[0-9a-f]{2})  (\S.*)$/i.exec(line) ?? [];
    if (id === "") continue;
    if (indent === "") parent = id.toLowerCase();
    names.set(indent === "" ? parent : `${parent}:${id.toLowerCase()}`, name.trim());
  }
  const find = (key: string): string | null => names.get(key) ?? null;
  return {
    vendor: (vendor) => find(hex(vendor, 4)),
    device: (vendor, device) => find(`${hex(vendor, 4)}:${hex(device, 4)}`),
    class: (pciClass) => {
      const code = hex(pciClass, 6);
      return find(`c ${code.slice(0, 2)}:${code.slice(2, 4)}`) ?? find(`c ${code.slice(0, 2)}`);
    },
  };
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}
