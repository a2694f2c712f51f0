/**
 * Finds the socket by which a process got the memory of a vfio-user device. The memory's name says which it is, and a name
 * could be anybody's: so a connection made at that path must join the process with a second one that has the very same
 * memory file open.
 */

import { join } from "node:path";
import { deviceFileOf } from "../proc/device-file.ts";
import { isProcfs, listProcesses } from "../proc/process.ts";
import { fieldOf, listFolder, readLinkOrNull, readTextOrNull } from "../proc/read-file.ts";
import { recordedSocket } from "../proc/recorded.ts";
import { findUnixSockets } from "../proc/unix-sockets.ts";
import type { Vma } from "../proc/vma.ts";

/** A memory file, as maps and fd show it: `/memfd:NAME (deleted)`. */
export type MemoryFile = Pick<Vma, "path" | "inode">;

/** Returns a function that finds the path for a memory file of the process; null where it cannot be told. */
export function socketFinder(proc: string, pid: number): (file: MemoryFile) => string | null {
  const known = new Map<bigint, string | null>();
  return (file) => {
    let path = known.get(file.inode);
    if (path === undefined) {
      path = recordedSocket(proc, pid, file.inode) ?? socketOf(proc, pid, file);
      known.set(file.inode, path);
    }
    return path;
  };
}

function socketOf(proc: string, pid: number, file: MemoryFile): string | null {
  const memory = deviceFileOf(file);
  const named = memory?.kind === "vfio-user" ? memory.socket : null;
  // A newline would break the lines of a record; nobody's path has one.
  if (named === null || named.includes("\n")) return null;
  // This kernel's sockets say nothing about those of a recorded machine.
  if (!isProcfs(proc)) return null;
  const peers = peersAt(proc, pid, named);
  if (peers.size === 0) return null;
  const isServer = (other: number): boolean =>
    holdsFile(proc, other, file) && socketsOf(proc, other).some((inode) => peers.has(inode));
  return listProcesses(proc).some(isServer) ? named : null;
}

/** The other ends of the connections that the process has made at a path. */
function peersAt(proc: string, pid: number, path: string): Set<number> {
  const own = [...findUnixSockets(socketsOf(proc, pid)).values()];
  const others = findUnixSockets(own.flatMap(({ peer }) => peer ?? []));
  // A socket that a server has accepted bears the path of the one it listens on; a client's has none.
  const isMadeHere = (socket: (typeof own)[number]): boolean =>
    socket.peer !== null && (others.get(socket.peer)?.path ?? socket.path) === path;
  return new Set(own.filter(isMadeHere).flatMap(({ peer }) => peer ?? []));
}

/** The inodes of the sockets that the process has open. */
function socketsOf(proc: string, pid: number): number[] {
  const folder = join(proc, `${pid}/fd`);
  return listFolder(folder).flatMap((fd) => {
    const inode = /^socket:\[(\d{1,10})\]$/.exec(readLinkOrNull(join(folder, fd)) ?? "")?.[1];
    return inode === undefined ? [] : [Number(inode)];
  });
}

function holdsFile(proc: string, pid: number, { path, inode }: MemoryFile): boolean {
  const folder = join(proc, `${pid}/fd`);
  return listFolder(folder).some(
    (fd) =>
      readLinkOrNull(join(folder, fd)) === path &&
      fieldOf(readTextOrNull(join(proc, `${pid}/fdinfo`, fd)) ?? "", "ino") === String(inode),
  );
}
