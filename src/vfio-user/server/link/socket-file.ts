/** The file of a listening Unix socket: made for its owner alone, never over somebody else's, removed at the end. */

import { fchmodSync, lstatSync, unlinkSync } from "node:fs";
import { resolve } from "node:path";
import { hugebarError, type HugebarError } from "../../../errors.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { unixAddress } from "../../../system/socket-address.ts";
import { SystemCallError } from "../../../system/system.ts";

const SOCKET_TYPE = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
const OWNER_ONLY = 0o600;
/** Clients that wait while another one is served. */
const BACKLOG = 16;

export interface ListeningSocket {
  /** Non-blocking. */
  readonly fd: number;
  readonly path: string;
  /** Closes the socket and removes its file, unless another one has taken its place. */
  close(): void;
}

/**
 * Listens at `path`. A socket file that nobody listens at any more is replaced.
 *
 * @throws ERR_BUSY when something listens there already, or the file there is no socket (a symbolic link is not
 *   followed); ERR_PERMISSION, ERR_SYSTEM when the kernel refuses; ERR_ARGUMENT for a path that no socket can have.
 */
export function listenAt(path: string): ListeningSocket {
  const address = unixAddress(boundPath(path));
  const fd = linux.tieToThread(linux.socket(AF_UNIX, SOCKET_TYPE, 0));
  try {
    // The file takes over the socket's own mode (unix_bind_bsd in net/unix/af_unix.c): it is never open to others.
    fchmodSync(fd, OWNER_ONLY);
    bindReplacingStale(fd, path, address);
    linux.listen(fd, BACKLOG);
    const remove = socketFile(path);
    return {
      fd,
      path,
      close() {
        linux.close(fd);
        remove();
      },
    };
  } catch (error) {
    linux.close(fd);
    throw listenFailed(error, path);
  }
}

/**
 * What `listenAt` binds its socket to: the full path, where it is short enough, for whoever looks at the sockets of a
 * machine cannot tell where `./x` is.
 *
 * @throws ERR_ARGUMENT for a path that no socket can have
 */
export function boundPath(path: string): string {
  unixAddress(path);
  const full = resolve(path);
  try {
    unixAddress(full);
    return full;
  } catch {
    return path;
  }
}

function bindReplacingStale(fd: number, path: string, address: Uint8Array): void {
  try {
    linux.bind(fd, address);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== "EADDRINUSE") throw error;
    refuseUnlessStale(path, address);
    unlinkSync(path);
    linux.bind(fd, address);
  }
}

function refuseUnlessStale(path: string, address: Uint8Array): void {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (file.isSymbolicLink()) throw busy(path, "there is a symbolic link of that name; remove it first");
  if (!file.isSocket()) throw busy(path, "there is a file of that name that is no socket; remove it first");
  if (isAlive(address)) throw busy(path, "another server listens there");
}

/** Somebody listens when a connection comes about, or would (EAGAIN: the backlog is full). */
function isAlive(address: Uint8Array): boolean {
  const probe = linux.socket(AF_UNIX, SOCKET_TYPE, 0);
  try {
    linux.connect(probe, address);
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return error.code !== "ECONNREFUSED" && error.code !== "ENOENT";
  } finally {
    linux.close(probe);
  }
}

/** Removes the file that stands at the path now, unless it is gone by then, or another one has taken its place. */
export function socketFile(path: string): () => void {
  const identity = identityOf(path);
  return () => {
    if (identity !== null && identityOf(path) === identity) unlinkSync(path);
  };
}

/** Which file stands at the path; inode numbers alone come again soon. */
function identityOf(path: string): string | null {
  const file = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return file === undefined ? null : `${file.dev} ${file.ino} ${file.birthtimeNs}`;
}

function busy(path: string, problem: string): HugebarError {
  return hugebarError("ERR_BUSY", { action: `listen at ${path}`, problem });
}

function listenFailed(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return error;
  const action = `listen at ${path}`;
  if (error.code === "EACCES" || error.code === "EPERM") {
    return hugebarError("ERR_PERMISSION", { action, problem: "its directory may not be written to" }, error);
  }
  if (error.code === "ENOENT" || error.code === "ENOTDIR") {
    return hugebarError("ERR_SYSTEM", { action, problem: "its directory does not exist" }, error);
  }
  if (error instanceof SystemCallError) {
    return hugebarError("ERR_SYSTEM", { action, problem: error.message }, error);
  }
  return error;
}
