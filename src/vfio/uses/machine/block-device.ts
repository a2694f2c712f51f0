/** What the kernel tells of a block device. */

export interface BlockDevice {
  /** As the kernel calls it: `nvme0n1p2`, `dm-0`. */
  readonly name: string;
  /** Its folder in sysfs's tree of devices. */
  readonly path: string;
  /** `MAJOR:MINOR`; null for one that nobody opens, such as one path of a multipath NVMe namespace. */
  readonly number: string | null;
  /** Device mapper's name, or that of an MD array: `vg-root`. */
  readonly mapped: string | null;
}

/** A function's disk, partition, or what is built on one. */
export interface Disk extends BlockDevice {
  /** The function's devices that it is built on; none for a disk or a partition, which are the function's own. */
  readonly builtOn: readonly string[];
}

/** What the kernel's name is below `/dev`: a `!` in it stands for a slash. */
export function nodeOf(name: string): string {
  return `/dev/${name.replaceAll("!", "/")}`;
}
