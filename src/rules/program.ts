/** Which program it is that maps, as far as its name tells: what it can be told to do hangs on that. */

export type Program = "qemu" | "dpdk" | "spdk" | "hugebar" | "other";

/**
 * @param command the process's name, of which the kernel keeps 15 bytes. Proxmox calls its QEMU `kvm`, Nix puts a dot before it; SPDK's main thread
 *   bears its reactor's name, and DPDK's programs mostly their own.
 */
export function programOf(command: string): Program {
  if (/^\.?(?:qemu|kvm(?:$|-spice))/.test(command)) return "qemu";
  if (/^(?:reactor_\d+|spdk|nvmf_tgt|vhost$|iscsi_tgt)/.test(command)) return "spdk";
  if (/^(?:dpdk|testpmd|l[23]fwd|ovs-vswitchd|vpp)/.test(command)) return "dpdk";
  return command === "hugebar" ? "hugebar" : "other";
}

/**
 * Whether a program advises huge pages (MADV_HUGEPAGE) for whatever it maps, as QEMU does (system/physmem.c, ram_block_add);
 * null where its name does not tell.
 */
export function advisesAll(command: string): true | null {
  return programOf(command) === "qemu" ? true : null;
}
