/** Finds the server behind the memory of a vfio-user device: who holds the same memory file, and listens on a socket. */

import { join } from "node:path";
import { listProcesses } from "./process.ts";
import { fieldOf, listFolder, readLinkOrNull, readTextOrNull } from "./read-file.ts";

/** SO_ACCEPTCON in the column Flags of /proc/net/unix (net/unix/af_unix.c, unix_seq_show): the socket listens. */
const LISTENING = 0x10000;
const SOCKET_TABLE_LIMIT = 4 * 1024 * 1024;

/**
 * The path of the socket of the server from which the process `client` has a memory file: another process that holds
 * the same file and listens. Null where several paths come into question, or where the process listens itself (QEMU's
 * monitor): the kernel's table does not tell which end of a connection is whose.
 *
 * @param path the memory file as maps and fd show it, `/memfd:NAME (deleted)`
 */
export function socketOfServer(proc: string, client: number, path: string, inode: bigint): string | null {
  if (listeningSockets(proc, client).length > 0) return null;
  const sockets = new Set<string>();
  for (const pid of listProcesses(proc)) {
    if (pid === client || !holdsFile(proc, pid, path, inode)) continue;
    for (const socket of listeningSockets(proc, pid)) sockets.add(socket);
  }
  const [socket = null] = sockets.size === 1 ? sockets : [];
  return socket;
}

function holdsFile(proc: string, pid: number, path: string, inode: bigint): boolean {
  const folder = join(proc, `${pid}/fd`);
  return listFolder(folder).some(
    (fd) =>
      readLinkOrNull(join(folder, fd)) === path &&
      fieldOf(readTextOrNull(join(proc, `${pid}/fdinfo`, fd)) ?? "", "ino") === String(inode),
  );
}

/** The paths of the Unix sockets that the process listens on, in its own network namespace. */
function listeningSockets(proc: string, pid: number): string[] {
  const table = readTextOrNull(join(proc, `${pid}/net/unix`), SOCKET_TABLE_LIMIT) ?? "";
  const paths = new Map<string, string>();
  for (const line of table.split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, flags = "0", inode = "", path = ""] =
      /^[0-9a-f]+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]+) [0-9A-F]+ [0-9A-F]+ +(\d+) (\/.*)$/.exec(line) ?? [];
    if ((Number.parseInt(flags, 16) & LISTENING) !== 0) paths.set(`socket:[${inode}]`, path);
  }
  const folder = join(proc, `${pid}/fd`);
  return listFolder(folder)
    .map((fd) => paths.get(readLinkOrNull(join(folder, fd)) ?? ""))
    .filter((path) => path !== undefined);
}
