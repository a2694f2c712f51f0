/** The NVMe controller of docs/write-a-device.md in a process of its own, with a disk in memory. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { until } from "./until.ts";

export interface NvmeServer {
  readonly folder: string;
  /** The disk's file, open. */
  readonly disk: number;
  readonly socket: string;
  /** Ends it, and tells by how many messages it has asked for memory. */
  messages(): Promise<number>;
}

export async function serveNvme(t: TestContext, contents: Uint8Array): Promise<NvmeServer> {
  // In memory: a file on a disk is nothing that a server should wait for, and is reached by messages.
  const folder = mkdtempSync(join("/dev/shm", "hugebar-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [path, socket] = [join(folder, "disk"), join(folder, "nvme.sock")];
  writeFileSync(path, contents);
  const disk = openSync(path, "r+");
  t.after(() => closeSync(disk));
  const child = spawn(process.execPath, [join(import.meta.dirname, "nvme-process.ts"), path, socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await until("the controller", () => said === "listening\n");
  return {
    folder,
    disk,
    socket,
    async messages() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
      return Number(said.split("\n")[1]);
    },
  };
}
