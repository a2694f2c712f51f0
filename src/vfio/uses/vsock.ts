/** Sockets between a guest and its host (AF_VSOCK), which go by a virtio function: agents, and logins by SSH. */

import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readFolder, readLinkName, readNumber } from "../sysfs/sysfs.ts";
import type { Findings } from "./machine/findings.ts";
import { classDevices, leadsThrough } from "./machine/sysfs-paths.ts";

const DRIVER = "vmw_vsock_virtio_transport";

/**
 * Every connected socket holds the module (vsock_assign_transport), which is all that the kernel shows of it without being
 * asked by netlink. There is one such device at most (virtio_vsock_probe).
 */
export function vsockUses({ sys }: MachineRoots, bdf: string): Findings {
  const isCarried = classDevices(sys, "bus/virtio/devices").some(
    ({ path }) => leadsThrough(path, bdf) && readLinkName(path, "driver") === DRIVER,
  );
  if (!isCarried) return { uses: [], unknown: [] };
  const count = readNumber(sys, "module", DRIVER, "refcnt");
  if (count === null)
    return { uses: [], unknown: [{ what: "who is connected to the host by it (vsock)", isRefused: false }] };
  const sockets = count - (readFolder(sys, "module", DRIVER, "holders") ?? []).length;
  if (sockets <= 0) return { uses: [], unknown: [] };
  const what = sockets === 1 ? "a connection" : `${sockets} connections`;
  return { uses: [`${what} to the host (vsock) ${sockets === 1 ? "goes" : "go"} by it`], unknown: [] };
}
