import { requireOptions, unusable } from "./arguments.ts";
import { Device } from "./device/device.ts";
import type { Opener } from "./device/forgotten.ts";
import { DmaSpace } from "./device/dma/dma-space.ts";
import type { Transport } from "./device/transport/transport.ts";
import { hugebarError } from "./errors.ts";
import { linux } from "./system/libc.ts";
import type { System } from "./system/system.ts";
import { fullBdf } from "./vfio/sysfs/bdf.ts";
import type { VfioApi } from "./vfio/container.ts";
import { openVfioDevice } from "./vfio/open-device.ts";
import { connectVfioUser } from "./vfio-user/client/client.ts";

/** How to open a device. */
export interface OpenOptions {
  /** For a device of this machine: the kernel's interface to take; cdev where the kernel has it, else group. */
  readonly api?: VfioApi;
  /**
   * For a device of this machine: switch its memory decoding on before a mapping if it is off. Without it such a
   * mapping is refused, because touching it would be a fatal signal.
   */
  readonly enableMemory?: boolean;
  /**
   * For a device of this machine that is an SR-IOV function or a VF of one, where the two are held by different processes:
   * the secret that both open theirs with, a UUID.
   */
  readonly vfToken?: string;
  /** For a vfio-user device: how long one request may take, in milliseconds; 5,000 by default. */
  readonly timeoutMilliseconds?: number;
}

const VFIO_USER = "vfio-user:";

/**
 * Opens a device by its name: the PCI address of a device that is bound to VFIO (`0000:01:00.0`, or `01:00.0` for
 * short), or `vfio-user:PATH` for the device served at a socket. Close it when done.
 *
 * @throws ERR_NO_DEVICE, ERR_PERMISSION, ERR_BUSY, ERR_NOT_SUPPORTED, ERR_ARGUMENT; for a socket also ERR_TIMEOUT,
 *   ERR_DISCONNECTED and ERR_PROTOCOL.
 * @example
 * const device = openDevice("0000:01:00.0");
 * const bar = device.region(2).map();
 */
export function openDevice(name: string, options: OpenOptions = {}): Device {
  requireOptions("of a device", options);
  const transport = connect(name, options);
  return deviceOver(transport, linux, new DmaSpace(transport.dma), openDevice);
}

/** @internal The device that the transport reaches, which is closed where that fails. */
export function deviceOver(transport: Transport, system: System, dma: DmaSpace, opener: Opener): Device {
  try {
    return new Device(transport, system, dma, opener);
  } catch (error) {
    transport.close();
    throw error;
  }
}

function connect(name: string, options: OpenOptions): Transport {
  if (typeof name !== "string") throw unusable("device", name, "its name must be a string");
  if (name.startsWith(VFIO_USER)) return connectVfioUser(name.slice(VFIO_USER.length), options);
  if (fullBdf(name) !== null) return openVfioDevice(name, options);
  throw hugebarError("ERR_ARGUMENT", {
    what: `device ${JSON.stringify(name)}`,
    problem: `a PCI address looks like 0000:01:00.0, a device at a socket like ${VFIO_USER}/run/device.sock`,
  });
}
