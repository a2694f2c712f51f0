/** For `FakeVfio`: what an ioctl is given. */

import { constants } from "node:os";
import { SystemCallError } from "../system/system.ts";

const { EFAULT, EINVAL } = constants.errno;

/** Every VFIO structure starts with its own size. */
export function requireSize(argument: Uint8Array, size: number): number {
  const argsz = new DataView(argument.buffer, argument.byteOffset).getUint32(0, true);
  if (argsz < size || argsz > argument.length) throw new SystemCallError("ioctl", EINVAL);
  return 0;
}

export function bytesOf(argument: Uint8Array | number): Uint8Array {
  if (typeof argument === "number") throw new SystemCallError("ioctl", EFAULT);
  return argument;
}
