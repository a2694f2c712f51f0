/**
 * Finds the socket by which a process got the memory of a vfio-user device. Two facts must meet, so that neither QEMU's
 * monitor nor another device is taken for it: a connection made at the socket's path joins the process with a second
 * one, and that one has the very same memory file open.
 */

import { statfsSync } from "node:fs";
import { join } from "node:path";
import { listProcesses } from "./process.ts";
import { fieldOf, listFolder, readLinkOrNull, readTextOrNull } from "./read-file.ts";
import { recordedSocket } from "./recorded.ts";
import { findUnixSockets } from "./unix-sockets.ts";
import type { Vma } from "./vma.ts";

/** A memory file, as maps and fd show it: `/memfd:NAME (deleted)`. */
export type MemoryFile = Pick<Vma, "path" | "inode">;

/** Returns a function that finds the path for a memory file of the process; null where none or several fit. */
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
  if (!isProcfs(proc)) return null;
  const connections = connectionsOf(proc, pid);
  if (connections.size === 0) return null;
  const paths = new Set<string>();
  for (const other of listProcesses(proc)) {
    if (!holdsFile(proc, other, file)) continue;
    for (const inode of socketsOf(proc, other)) {
      const path = connections.get(inode);
      if (path !== undefined) paths.add(path);
    }
  }
  const [path = null] = paths.size === 1 ? paths : [];
  return path;
}

/** PROC_SUPER_MAGIC, linux/magic.h: this kernel's sockets say nothing about those of a recorded machine. */
function isProcfs(proc: string): boolean {
  try {
    return statfsSync(proc).type === 0x9fa0;
  } catch {
    return false;
  }
}

/** The connections of a process that were made at a path: the path by the socket at the other end. */
function connectionsOf(proc: string, pid: number): Map<number, string> {
  const own = [...findUnixSockets(socketsOf(proc, pid)).values()];
  const peers = own.flatMap(({ peer }) => peer ?? []);
  const others = findUnixSockets(peers);
  const connections = new Map<number, string>();
  for (const { path, peer } of own) {
    if (peer === null) continue;
    // A socket that a server has accepted bears the path of the one it listens on; a client's has none.
    const made = others.get(peer)?.path ?? path;
    // A newline would break the lines of a record; nobody's path has one.
    if (made !== null && !made.includes("\n")) connections.set(peer, made);
  }
  return connections;
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
