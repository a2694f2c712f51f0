/** What a mapping knows of the region it maps. `Region` is one. */
export interface MappedRegion {
  readonly index: number;
  /** Bytes; 0 for a region that the device does not have. */
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_… */
  readonly flags: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Where the region starts in the device's file. */
  readonly fdOffset: number;
  /** The physical address of the first byte, where it is known. */
  readonly physical: bigint | null;
  /** The kernel's driver that maps it, as sysfs names it; null where none does, or none is known. */
  readonly driver: string | null;
  /** What lies behind a mapping of it: a device's memory, or a file of shared memory that stands for it. */
  readonly backing: "device" | "shared-memory";
  /** The name of the device it belongs to. */
  readonly deviceName: string;
  /** How messages call it: `2 of 0000:01:00.0`. */
  readonly name: string;
}
