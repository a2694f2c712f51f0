import { hugebarError } from "../../errors.ts";
import { errnoWithWords } from "../../system/errno.ts";
import { SystemCallError } from "../../system/system.ts";

/** The error for a request to an open device or container that failed; other errors stay as they are. */
export function requestError(action: string, error: unknown): unknown {
  if (!(error instanceof SystemCallError)) return error;
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return hugebarError("ERR_PERMISSION", { action, problem: inWords(error) }, error);
    case "EBUSY":
      return hugebarError("ERR_BUSY", { action, problem: "the device is busy" }, error);
    case "ENOTTY":
    case "EOPNOTSUPP":
      return hugebarError("ERR_NOT_SUPPORTED", { action, problem: "the kernel does not offer it" }, error);
    case "ENODEV":
      return hugebarError("ERR_DISCONNECTED", { action, problem: "the device was taken away" }, error);
    case "EIO":
      return hugebarError("ERR_DEVICE", { action, errno: inWords(error) }, error);
    default:
      return hugebarError(
        "ERR_SYSTEM",
        { action, problem: `the kernel refused it: ${inWords(error)}` },
        error,
      );
  }
}

/** `EMFILE (too many open files)` */
export function inWords({ code }: SystemCallError): string {
  return errnoWithWords(code);
}
