import { hugebarError } from "../errors.ts";
import { SystemCallError } from "../system/system.ts";

/** The error for a system call on an open device that failed; other errors stay as they are. */
export function deviceError(action: string, error: unknown): unknown {
  if (!(error instanceof SystemCallError)) return error;
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return hugebarError("ERR_PERMISSION", { action, problem: error.code }, error);
    case "EBUSY":
      return hugebarError("ERR_BUSY", { action, problem: "the device is busy" }, error);
    case "ENOTTY":
    case "EOPNOTSUPP":
      return hugebarError("ERR_NOT_SUPPORTED", { action, problem: "the kernel does not offer it" }, error);
    case "ENODEV":
      return hugebarError("ERR_DISCONNECTED", { action, problem: "the device was taken away" }, error);
    default:
      return hugebarError("ERR_DEVICE", { action, errno: error.code }, error);
  }
}
