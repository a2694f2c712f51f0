/** Which program it is that maps, as far as its names and files tell: what it can be told to do hangs on that. */

export type Program = (typeof programs)[number];
export const programs = [
  "qemu",
  "cloud-hypervisor",
  "crosvm",
  "firecracker",
  "dpdk",
  "spdk",
  "hugebar",
  "other",
] as const;

/**
 * Proxmox calls its QEMU `kvm`, Nix puts a dot before it; SPDK's main thread bears its reactor's name, and DPDK's programs
 * mostly their own.
 */
const NAMES: readonly (readonly [RegExp, Program])[] = [
  [/^\.?(?:qemu|kvm(?:$|-spice))/, "qemu"],
  [/^cloud-hyperviso/, "cloud-hypervisor"],
  [/^crosvm/, "crosvm"],
  [/^firecracker/, "firecracker"],
  [/^(?:reactor_\d+|spdk|nvmf_tgt|vhost$|iscsi_tgt)/, "spdk"],
  [/^(?:dpdk|testpmd|l[23]fwd|ovs-vswitchd)/, "dpdk"],
  [/^hugebar$/, "hugebar"],
];

/** @param name a process's, of which the kernel keeps 15 bytes, or an executable's file name */
export function programOf(name: string): Program {
  return NAMES.find(([expression]) => expression.test(name))?.[1] ?? "other";
}

/**
 * What DPDK's environment layer maps into every program on it, whatever that is called: its library, its shared state below
 * `/run/dpdk/PREFIX`, and its memory, `PREFIXmap_N` (lib/eal/common/eal_filesystem.h). SPDK's prefix is `spdk_pidN`.
 */
const DPDK_FILES =
  /\/librte_eal\.so|\/dpdk\/[^/\s]+\/(?:config|fbarray_\S+)(?= \(deleted\)$|$)|\/rtemap_\d+(?= \(deleted\)$|$)/m;
const SPDK_FILES =
  /\/libspdk_\w+\.so|\/dpdk\/spdk[^/\s]*\/(?:config|fbarray_\S+)(?= \(deleted\)$|$)|\/spdk_pid\d+map_\d+(?= \(deleted\)$|$)/m;

/** @param paths what the process has mapped, a line each */
export function programByFiles(paths: string): Program {
  return SPDK_FILES.test(paths) ? "spdk" : DPDK_FILES.test(paths) ? "dpdk" : "other";
}

/**
 * Whether a program advises huge pages (MADV_HUGEPAGE) for whatever it maps, as QEMU does (system/physmem.c, ram_block_add);
 * null where that is not known.
 */
export function advisesAll(program: Program): true | null {
  return program === "qemu" ? true : null;
}
