/** `struct sockaddr_un` (linux/un.h): a Unix socket's address. */

import { hugebarError } from "../errors.ts";
import { AF_UNIX } from "./constants.ts";

/** The longest path in bytes: `sun_path` has 108, and the kernel wants room for the closing zero (unix(7)). */
const LONGEST_PATH = 107;

/**
 * The address of the Unix socket at `path`, as `connect` and `bind` take it.
 *
 * @throws ERR_ARGUMENT when the path is empty, holds a zero byte, or is longer than 107 bytes in UTF-8.
 */
export function unixAddress(path: string): Uint8Array {
  const bytes = new TextEncoder().encode(path);
  const problem = problemOf(bytes);
  if (problem !== null)
    throw hugebarError("ERR_ARGUMENT", { what: `socket path ${JSON.stringify(path)}`, problem });

  const address = new Uint8Array(2 + bytes.length + 1);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, 2);
  return address;
}

function problemOf(path: Uint8Array): string | null {
  if (path.length === 0) return "it is empty";
  // A leading zero would name the abstract namespace; any other would end the path early.
  if (path.includes(0)) return "it holds a zero byte";
  if (path.length > LONGEST_PATH) {
    return `it has ${path.length} bytes, and Unix sockets allow ${LONGEST_PATH}; use a shorter directory`;
  }
  return null;
}
