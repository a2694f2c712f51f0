/** The network interfaces of a function, here and in other network namespaces, and its RDMA devices. */

import { join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readAttribute, readFolder, readLinkName, readNumber } from "../sysfs/sysfs.ts";
import type { Findings } from "./machine/findings.ts";
import {
  hasInterfaces,
  namespaceMounts,
  namespaceOpeners,
  otherNamespaces,
} from "./machine/network-namespaces.ts";
import { processTitle, processTitles } from "./machine/processes.ts";
import { linkOf, namesIn, textOf } from "./machine/reading.ts";
import { loginInterface } from "./machine/ssh-login.ts";
import type { Survey } from "./machine/survey.ts";
import { classDevices, followLink, leadsThrough, type ClassDevice } from "./machine/sysfs-paths.ts";

/** `net/if.h`: the interface is switched on by its administrator. */
const IFF_UP = 0x1;
const PCI_CLASS_NETWORK = 0x02;
/** Drivers that make no interface. */
const WITHOUT_INTERFACE = /^(?:pci-stub|uio_pci_generic|igb_uio|xen-pciback|mlx4_core|.*vfio[-_]pci)$/;

export function networkUses(survey: Survey, bdf: string): Findings {
  const { roots } = survey;
  const interfaces = classDevices(roots.sys, "class/net").filter(({ path }) => leadsThrough(path, bdf));
  const home = join(followLink(join(roots.sys, "bus/pci/devices", bdf)), "net");
  const own = (readFolder(home) ?? [])
    .filter((name) => !interfaces.some((known) => known.name === name))
    .map((name) => ({ name, path: join(home, name) }));
  const all = [...interfaces, ...own];
  const login = survey.login();
  const routed = login === null ? null : loginInterface(roots, login);
  const uses = all.flatMap(({ name, path }) => {
    const above = interfacesAbove(roots, name);
    const isLogin = routed !== null && (routed === name || above.some((upper) => upper.name === routed));
    return [
      ...(isLogin ? [`your own SSH login comes in by network interface ${name}`] : []),
      ...interfaceUse({ name, path }, above),
    ];
  });
  return {
    uses: [...uses, ...rdmaUses(roots, bdf), ...elsewhere(survey, bdf, all.length > 0)],
    unknown: [],
  };
}

interface Upper {
  readonly name: string;
  /** `bond`, `bridge`; empty for one that says nothing. */
  readonly kind: string;
}

function interfaceUse({ name, path }: ClassDevice, above: readonly Upper[]): string[] {
  const flags = readNumber(path, "flags");
  const isUp = flags === null ? readAttribute(path, "operstate") === "up" : (flags & IFF_UP) !== 0;
  const part = above.map((upper) => `${upper.kind} ${upper.name}`.trim()).join(", ");
  if (!isUp && part === "") return [];
  const states = [isUp ? "is up" : "", part === "" ? "" : `is part of ${part}`];
  return [`network interface ${name} ${states.filter((state) => state !== "").join(" and ")}`];
}

/** Bonds, bridges, teams, VLANs, OVS: links up from the interface, or down from the other, over every level. */
function interfacesAbove({ sys, proc }: MachineRoots, name: string): Upper[] {
  const all = readFolder(sys, "class/net") ?? [];
  const told = interfacesTold(proc);
  const found = new Map<string, Upper>();
  const visit = (below: string): void => {
    const folder = readFolder(sys, "class/net", below) ?? [];
    const linked = folder
      .filter((file) => file.startsWith("upper_"))
      .map((file) => file.slice("upper_".length));
    const master = readLinkName(sys, "class/net", below, "master");
    const bridge = readLinkName(sys, "class/net", below, "brport/bridge");
    const claiming = all.filter((other) => isBuiltOn(sys, other, below));
    const named = told.filter((link) => link.below === below);
    for (const upper of [...linked, master, bridge, ...claiming, ...named.map((link) => link.name)]) {
      if (upper === null || upper === name || found.has(upper)) continue;
      const kind = kindOf(sys, upper) || (named.find((link) => link.name === upper)?.kind ?? "");
      found.set(upper, { name: upper, kind });
      visit(upper);
    }
  };
  visit(name);
  return [...found.values()];
}

/** What bonding and VLANs say themselves: `/proc/net/bonding/bond0`, `/proc/net/vlan/config`. */
function interfacesTold(proc: string): (Upper & { readonly below: string })[] {
  const bonds = namesIn(proc, "net/bonding").flatMap((name) =>
    [...textOf(proc, "net/bonding", name).matchAll(/^Slave Interface: (\S+)$/gm)].map(([, below = ""]) => ({
      name,
      kind: "bond",
      below,
    })),
  );
  const vlans = textOf(proc, "net/vlan/config").matchAll(/^(\S+)\s*\|\s*\d+\s*\|\s*(\S+)\s*$/gm);
  return [...bonds, ...[...vlans].map(([, name = "", below = ""]) => ({ name, kind: "vlan", below }))];
}

function isBuiltOn(sys: string, upper: string, below: string): boolean {
  const folder = readFolder(sys, "class/net", upper) ?? [];
  const slaves = (readAttribute(sys, "class/net", upper, "bonding/slaves") ?? "").split(/\s+/);
  const ports = readFolder(sys, "class/net", upper, "brif") ?? [];
  return folder.includes(`lower_${below}`) || slaves.includes(below) || ports.includes(below);
}

function kindOf(sys: string, name: string): string {
  const type = /^DEVTYPE=(.+)$/m.exec(readAttribute(sys, "class/net", name, "uevent") ?? "")?.[1];
  if (type !== undefined) return type;
  const folder = readFolder(sys, "class/net", name) ?? [];
  if (folder.includes("bonding")) return "bond";
  return folder.includes("bridge") ? "bridge" : "";
}

/** A port that is active carries what no file shows: IP over InfiniBand, NFS, iSER, NVMe. */
function rdmaUses({ sys }: MachineRoots, bdf: string): string[] {
  return classDevices(sys, "class/infiniband")
    .filter(({ path }) => leadsThrough(path, bdf))
    .flatMap(({ name, path }) =>
      (readFolder(path, "ports") ?? [])
        .filter((port) => readAttribute(path, "ports", port, "state")?.includes("ACTIVE") === true)
        .map((port) => `port ${port} of RDMA device ${name} is active`),
    );
}

/**
 * An interface that was moved to another network namespace, a container's, is not in this one's sysfs. A container's own
 * sysfs shows it; else that a network card with its driver has none here says so, where there are other namespaces.
 */
function elsewhere({ roots, mounts }: Survey, bdf: string, isHere: boolean): string[] {
  const others = otherNamespaces(roots);
  const seen = others.flatMap(({ pid, folder }) => {
    const net = join(roots.proc, folder, "root/sys/class/net");
    return namesIn(net)
      .filter((name) => leadsThrough(linkOf(net, name) ?? "", bdf))
      .map((name) => `network interface ${name} is in the network namespace of ${processTitle(roots, pid)}`);
  });
  if (seen.length > 0 || isHere || !isNetworkCard(roots, bdf)) return seen;
  const holders = others.filter((thread) => hasInterfaces(roots, thread));
  if (holders.length > 0) {
    const who = processTitles(
      roots,
      holders.map(({ pid }) => pid),
    );
    return [`its network interface is in another network namespace, such as that of ${who}`];
  }
  const named = namespaceMounts(mounts().mounts);
  if (named.length > 0)
    return [`its network interface is in another network namespace (${named.slice(0, 3).join(", ")})`];
  const openers = namespaceOpeners(roots);
  return openers.length === 0
    ? []
    : [
        `its network interface is in another network namespace, such as one that ${processTitles(roots, openers)} has open`,
      ];
}

function isNetworkCard({ sys }: MachineRoots, bdf: string): boolean {
  const folder = join(sys, "bus/pci/devices", bdf);
  const driver = readLinkName(folder, "driver");
  const pciClass = readNumber(folder, "class") ?? 0;
  return pciClass >>> 16 === PCI_CLASS_NETWORK && driver !== null && !WITHOUT_INTERFACE.test(driver);
}
