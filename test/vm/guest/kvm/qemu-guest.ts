/** A real QEMU that runs a guest by KVM over a device: `bar-reader.S` reads as much of the BAR as the test wants. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";

import type { QemuRole } from "../../provision/qemu.ts";

const inDisk = "/kvm-guest/bar-reader";
/** Where a chroot sees it too. */
const program = "/tmp/bar-reader";

export interface QemuGuest {
  readonly pid: number;
  /** Has the guest read so many times, 2 MiB apart from the BAR's start on. */
  readonly read: (times: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Starts QEMU with the device as 00:10.0, and waits until its guest has found the BAR and runs in long mode. */
export async function startQemuGuest(role: QemuRole, bdf: string): Promise<QemuGuest> {
  copyFileSync(inDisk, program);
  const child = spawn(
    "chroot",
    [
      [`/qemu/${role}`, "/usr/bin/qemu-system-x86_64", "-L", "/usr/share/qemu", "-L", "/usr/share/seabios"],
      ["-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "64"],
      ["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"],
      ["-device", `vfio-pci,host=${bdf},addr=0x10`, "-kernel", program],
    ].flat(),
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    messages += text;
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "close");
  };
  const said = async (word: string): Promise<void> => {
    if ((await nextByte(child)) === word) return;
    await stop();
    throw new Error(`QEMU (${role}) ended with ${child.signalCode ?? child.exitCode}: ${messages}`);
  };
  await once(child, "spawn");
  await said("r");
  return {
    pid: child.pid ?? 0,
    async read(times) {
      const count = Buffer.alloc(4);
      count.writeUInt32LE(times);
      child.stdin.write(count);
      await said("d");
    },
    stop,
  };
}

/** What the guest says next; null once QEMU has ended. */
async function nextByte({
  stdout,
}: ChildProcessByStdio<Writable, Readable, Readable>): Promise<string | null> {
  for (;;) {
    const bytes: unknown = stdout.read(1);
    if (bytes instanceof Uint8Array) return Buffer.from(bytes).toString("latin1");
    if (stdout.readableEnded) return null;
    await Promise.race([once(stdout, "readable"), once(stdout, "end")]);
  }
}
