/**
 * Whether a server is busy with somebody else. It may be anybody's, and its protocol has no word for that: a client that it
 * does not accept hears nothing. The kernel's list of sockets tells (unix_seq_show in net/unix/af_unix.c): a server's end of
 * a connection has the path of the socket that listens, no inode before it is accepted, and a reference less when the client
 * has closed its own.
 */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { System } from "../../system/system.ts";

/** How long a server that serves many at once may take to accept us; no long wait, and none where nobody is served. */
const GRACE_MILLISECONDS = 100;
const STEP_MILLISECONDS = 10;
/** The file's, the table's and the client's. */
const REFERENCES_WITH_CLIENT = 3;
const LINE = /^[0-9a-f]+: (?<references>[0-9A-F]+) \S+ \S+ \S+ (?<state>\d+) +(?<inode>\d+) (?<path>.*)$/;
/** `socket_state` of linux/net.h */
const SS_CONNECTING = 2;
const SS_CONNECTED = 3;

interface ServerEnds {
  /** The inodes of those that were accepted and whose client is there. */
  readonly served: ReadonlySet<string>;
  /** How many are not accepted. */
  readonly waiting: number;
}

/** The clients that the server at `path` serves at this moment, each by a name of its own. Empty where nobody can tell. */
export function servedClients(path: string): ReadonlySet<string> {
  return serverEnds(path).served;
}

/**
 * Whether a connection just made to `path` waits behind one of `others`, the clients served before it was made. One whose
 * client has left is none: the server takes the next when it is done with it.
 */
export function waitsBehind(others: ReadonlySet<string>, path: string, system: System): boolean {
  if (others.size === 0) return false;
  for (const end = performance.now() + GRACE_MILLISECONDS; ;) {
    const { served, waiting } = serverEnds(path);
    if (waiting === 0 || ![...others].some((other) => served.has(other))) return false;
    if (performance.now() >= end) return true;
    system.poll([], STEP_MILLISECONDS);
  }
}

function serverEnds(path: string): ServerEnds {
  const names = new Set([path, resolve(path)]);
  const served = new Set<string>();
  let waiting = 0;
  for (const line of kernelsList()) {
    const fields = LINE.exec(line)?.groups;
    if (fields?.["path"] === undefined || !names.has(fields["path"])) continue;
    const { references = "", state, inode = "" } = fields;
    if (Number(state) === SS_CONNECTING) waiting += 1;
    if (Number(state) === SS_CONNECTED && Number.parseInt(references, 16) >= REFERENCES_WITH_CLIENT)
      served.add(inode);
  }
  return { served, waiting };
}

function kernelsList(): readonly string[] {
  try {
    return readFileSync("/proc/net/unix", "utf8").split("\n");
  } catch {
    return []; // without it nobody can tell, and the time limit holds
  }
}
