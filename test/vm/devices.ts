/** QEMU's arguments for devices that are useful in a guest. Slot 0x10 puts a device at 0000:00:10.0. */

/** A device with a BAR 2 of any size (`64G`), which holds no memory: reads give zeros, writes are lost. */
export function pciTestdev(slot: number, membar: string): string[] {
  return ["-device", `pci-testdev,membar=${membar},addr=0x${slot.toString(16)}`];
}

/** A device whose BAR 2 is the memory of `file` on the host, which is made `size` bytes long (a power of two). */
export function ivshmemPlain(slot: number, file: string, size: number): string[] {
  const id = `ivshmem${slot}`;
  return [
    ["-object", `memory-backend-file,id=${id},share=on,mem-path=${file},size=${size}`],
    ["-device", `ivshmem-plain,memdev=${id},addr=0x${slot.toString(16)}`],
  ].flat();
}

/** QEMU's teaching device: registers, DMA and an interrupt (docs/specs/edu.rst). */
export function edu(slot: number): string[] {
  return ["-device", `edu,addr=0x${slot.toString(16)}`];
}

/** Two of them as functions of one device, and so in one IOMMU group. */
export function eduPair(slot: number): string[] {
  const address = `0x${slot.toString(16)}`;
  return ["-device", `edu,addr=${address}.0,multifunction=on`, "-device", `edu,addr=${address}.1`];
}

/** An edu device and an NVMe disk as functions of one device, and so in one IOMMU group. */
export function eduWithNvme(slot: number): string[] {
  const address = `0x${slot.toString(16)}`;
  const disk = ["-drive", `if=none,id=beside,driver=null-co,size=64M,read-zeroes=on`];
  const functions = [
    `edu,addr=${address}.0,multifunction=on`,
    `nvme,serial=beside,drive=beside,addr=${address}.1`,
  ];
  return [...disk, ...functions.flatMap((device) => ["-device", device])];
}

/** An NVMe disk; its BAR 0 holds the MSI-X table. It is a file of the host's, or 64 MiB that read as zeros. */
export function nvme(slot: number, file?: string): string[] {
  const id = `nvme${slot}`;
  const drive =
    file === undefined ? "driver=null-co,size=64M,read-zeroes=on" : `driver=raw,file.filename=${file}`;
  return [
    ["-drive", `if=none,id=${id},${drive}`],
    ["-device", `nvme,serial=${id},drive=${id},addr=0x${slot.toString(16)}`],
  ].flat();
}

/** An NVMe disk that keeps what is written, in `file` on the host. */
export function nvmeDisk(slot: number, file: string): string[] {
  const id = `nvme${slot}`;
  return [
    ...fileDrive(id, file),
    ["-device", `nvme,serial=${id},drive=${id},addr=0x${slot.toString(16)}`],
  ].flat();
}

/** The same as a namespace that several controllers could share: Linux takes it for a multipath one. */
export function sharedNvmeDisk(slot: number, file: string): string[] {
  const id = `nvme${slot}`;
  return [
    ...fileDrive(id, file),
    ["-device", `nvme-subsys,id=subsys${slot},nqn=subsys${slot}`],
    ["-device", `nvme,id=ctrl${slot},serial=${id},subsys=subsys${slot},addr=0x${slot.toString(16)}`],
    ["-device", `nvme-ns,drive=${id},bus=ctrl${slot},nsid=1,shared=on`],
  ].flat();
}

/** A virtio disk that keeps what is written, in `file` on the host. */
export function virtioDisk(slot: number, file: string): string[] {
  const id = `virtio${slot}`;
  return [
    ...fileDrive(id, file),
    ["-device", `virtio-blk-pci,drive=${id},addr=0x${slot.toString(16)}`],
  ].flat();
}

function fileDrive(id: string, file: string): string[][] {
  return [["-drive", `if=none,id=${id},file=${file},format=raw,cache=unsafe`]];
}

/** A virtio network card on a network of its own. */
export function virtioNet(slot: number): string[] {
  const id = `net${slot}`;
  return [
    ["-netdev", `hubport,id=${id},hubid=${slot}`],
    ["-device", `virtio-net-pci,netdev=${id},addr=0x${slot.toString(16)}`],
  ].flat();
}

/** A folder of the host's as a share of 9p. */
export function share(slot: number, folder: string, tag: string): string[] {
  const id = `share${slot}`;
  return [
    ["-fsdev", `local,id=${id},path=${folder},security_model=none`],
    ["-device", `virtio-9p-pci,fsdev=${id},mount_tag=${tag},addr=0x${slot.toString(16)}`],
  ].flat();
}

/** A watchdog that does nothing when its time is up. */
export function watchdog(slot: number): string[] {
  return ["-action", "watchdog=none", "-device", `i6300esb,addr=0x${slot.toString(16)}`];
}

/** A USB controller with a keyboard. */
export function usbKeyboard(slot: number): string[] {
  const id = `usb${slot}`;
  return [
    ["-device", `qemu-xhci,id=${id},addr=0x${slot.toString(16)}`],
    ["-device", `usb-kbd,bus=${id}.0`],
  ].flat();
}

/** An Intel network card with up to seven virtual functions, behind a root port: 0000:01:00.0 if it is the only one. */
export function igbBehindPort(slot: number): string[] {
  return [
    ["-device", `pcie-root-port,id=port${slot},chassis=${slot},addr=0x${slot.toString(16)}`],
    ["-device", `igb,bus=port${slot}`],
  ].flat();
}

/** Two older network cards on a conventional bus of their own, and so in one IOMMU group. */
export function e1000sBehindBridge(slot: number): string[] {
  const id = `bridge${slot}`;
  const bridge = ["-device", `pci-bridge,id=${id},chassis_nr=${slot},addr=0x${slot.toString(16)}`];
  return bridge.concat([1, 2].flatMap((at) => ["-device", `e1000,bus=${id},addr=${at}`]));
}

/** An Intel network card with no network; its BAR 3 holds the MSI-X table. */
export function e1000e(slot: number): string[] {
  return ["-device", `e1000e,addr=0x${slot.toString(16)}`];
}

/** A device that another process, or this one, serves at `socket`. */
export function vfioUserPci(socket: string, properties: Readonly<Record<string, string>> = {}): string[] {
  const device = { driver: "vfio-user-pci", socket: { type: "unix", path: socket }, ...properties };
  return ["-device", JSON.stringify(device)];
}

/** The machine's memory, "ram"; shared memory can be passed to processes that serve devices. */
export function memory(mebibytes: number, shared: boolean): string[] {
  const size = `${mebibytes}M`;
  const backend = shared ? "memory-backend-memfd,share=on" : "memory-backend-ram";
  return ["-m", size, "-object", `${backend},id=ram,size=${size}`];
}
