/** What a port of Fibre Channel is called. */

import { textOf } from "./reading.ts";

/** The digits of its name alone. @param host its folder in `class/fc_host` */
export function portName(host: string): string | null {
  return /^0x([0-9a-f]+)$/i.exec(textOf(host, "port_name").trim())?.[1]?.toLowerCase() ?? null;
}
