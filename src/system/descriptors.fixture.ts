/** For tests: which descriptors this process has open, of the kinds that system calls of ours make. */

import { readdirSync, readlinkSync } from "node:fs";

const OURS = /^(?:socket:|anon_inode:\[eventfd\]|anon_inode:\[eventpoll\]|\/memfd:)/;

/**
 * The descriptors of sockets, eventfds, epoll sets and memory files, with what they are of. Node opens and closes files
 * when it likes, in threads of its own.
 */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const link = readlinkSync(`/proc/self/fd/${fd}`);
      return OURS.test(link) ? [`${fd} ${link}`] : [];
    } catch {
      return []; // the folder's own
    }
  });
}
