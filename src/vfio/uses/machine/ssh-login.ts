/** By which interface the person who types the command is logged in. */

import { isLive, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { textOf } from "./reading.ts";
import { inPrefix, ipBytes } from "./ip-address.ts";

/**
 * `SSH_CONNECTION`: the client's address and port, the server's address and port. `sudo` takes it out of the environment,
 * so that this process's ancestors are asked as well. Null where nobody has it, and for a recorded machine.
 */
export function sshLogin(roots: MachineRoots): string | null {
  if (!isLive(roots)) return null;
  const own = process.env["SSH_CONNECTION"];
  if (own !== undefined && own !== "") return own;
  let pid = process.ppid;
  for (let steps = 0; pid > 1 && steps < 64; steps += 1) {
    const environment = textOf(roots.proc, String(pid), "environ").split("\0");
    const found = environment.find((entry) => entry.startsWith("SSH_CONNECTION="));
    if (found !== undefined) return found.slice("SSH_CONNECTION=".length);
    pid = Number(/^PPid:\s*(\d+)/m.exec(textOf(roots.proc, String(pid), "status"))?.[1] ?? 0);
  }
  return null;
}

/** The interface that leads to the client: of the routes with its address, the longest prefix, then the lowest metric. */
export function loginInterface(roots: MachineRoots, connection: string): string | null {
  const [client = ""] = connection.split(" ");
  // A scope says it itself: fe80::1%eth0.
  const [address = "", scope] = client.split("%");
  if (scope !== undefined && scope !== "") return scope;
  const bytes = ipBytes(address);
  if (bytes === null) return null;
  const routes = bytes.length === 4 ? routesOf4(roots) : routesOf6(roots);
  let best: Route | null = null;
  for (const route of routes) {
    if (!inPrefix(bytes, route.target, route.prefix)) continue;
    const isBetter =
      best === null ||
      route.prefix > best.prefix ||
      (route.prefix === best.prefix && route.metric < best.metric);
    if (isBetter) best = route;
  }
  return best?.name ?? null;
}

interface Route {
  readonly name: string;
  readonly target: Uint8Array;
  readonly prefix: number;
  readonly metric: number;
}

const RTF_UP = 0x1;
const RTF_REJECT = 0x200;

/** `/proc/net/route`: name, then target in the machine's own byte order, gateway, flags, …, metric, mask. */
function routesOf4({ proc }: MachineRoots): Route[] {
  return lines(proc, "net/route").flatMap((line) => {
    const [name, target, , flags, , , metric, mask] = line.split(/\s+/);
    if (name === undefined || target === undefined || mask === undefined) return [];
    if (!isUsable(flags)) return [];
    const prefix = Number.parseInt(mask, 16).toString(2).replaceAll("0", "").length;
    return [{ name, target: Buffer.from(target, "hex").reverse(), prefix, metric: Number(metric) }];
  });
}

/** `/proc/net/ipv6_route`: target, prefix, source, prefix, next hop, metric, counters, flags, name, in hexadecimal. */
function routesOf6({ proc }: MachineRoots): Route[] {
  return lines(proc, "net/ipv6_route").flatMap((line) => {
    const [target, prefix, , , , metric, , , flags, name] = line.trim().split(/\s+/);
    if (target === undefined || prefix === undefined || name === undefined || name === "lo") return [];
    if (!isUsable(flags)) return [];
    const [length, order] = [prefix, metric ?? ""].map((text) => Number.parseInt(text, 16));
    return [{ name, target: Buffer.from(target, "hex"), prefix: length ?? 0, metric: order ?? 0 }];
  });
}

function lines(proc: string, file: string): string[] {
  return (textOf(proc, "thread-self", file) || textOf(proc, file)).split("\n");
}

function isUsable(flags = ""): boolean {
  const value = Number.parseInt(flags, 16);
  return (value & RTF_UP) !== 0 && (value & RTF_REJECT) === 0;
}
