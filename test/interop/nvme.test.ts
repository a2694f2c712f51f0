/** SeaBIOS in a QEMU boots from the NVMe controller of docs/write-a-device.md, whatever the memory of the machine is. */

import assert from "node:assert/strict";
import { readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { vfioUserPci } from "../vm/devices.ts";
import { lacksQemu } from "../vm/guest-tests.ts";
import { bootableDisk, DEBUG_PORT, TEXT_WRITTEN } from "./boot-sector.ts";
import { serveNvme } from "./nvme-server.ts";
import { startPausedQemu } from "./paused-qemu.ts";
import { until } from "./until.ts";

/** In milliseconds, for when one of them hangs; provisioning QEMU takes a minute. */
const timeout = 300_000;
const TEXT = "booted from a file";

/** Kinds of memory, and whether the controller reaches them without asking QEMU by a message each time. */
const MEMORIES = [
  { kind: "memory-backend-memfd", more: "share=on", direct: true },
  { kind: "memory-backend-file", more: "share=on,mem-path=", direct: true },
  { kind: "memory-backend-ram", more: "share=on", direct: true },
  { kind: "memory-backend-ram", more: "share=off", direct: false },
];

describe("the NVMe controller in QEMU", () => {
  for (const { kind, more, direct } of MEMORIES) {
    const name = `${kind},${more}`.replace(",mem-path=", "");
    it(`is booted from with ${name}, after a reset, and after QEMU was killed`, { timeout }, async (t) => {
      if (await lacksQemu(t, "region-aligned")) return;
      const controller = await serveNvme(t, bootableDisk(TEXT));
      const { folder, disk, socket } = controller;
      const path = more.endsWith("=") ? join(folder, "ram") : "";
      const ram = ["-m", "64M", "-object", `${kind},id=ram,size=64M,${more}${path}`];
      for (const time of ["first", "second"]) {
        const output = join(folder, time);
        writeFileSync(output, "");
        const debug = [`file,id=debug,path=${output}`, `isa-debugcon,iobase=${DEBUG_PORT},chardev=debug`];
        const port = ["-chardev", debug[0] ?? "", "-device", debug[1] ?? ""];
        const qemu = startPausedQemu([port, vfioUserPci(socket)], { ram });
        t.after(() => qemu.end("SIGKILL"));
        await qemu.attached();
        await qemu.qmp.execute("cont");
        await until("the text", () => readFileSync(output, "latin1") === `${TEXT}.`);
        assert.equal(writtenText(disk), TEXT);
        await qemu.qmp.execute("system_reset");
        await until("the text after a reset", () => readFileSync(output, "latin1") === `${TEXT}.`.repeat(2));
        assert.equal(writtenText(disk), TEXT);
        assert.equal(qemu.messages(), "");
        await qemu.end("SIGKILL");
      }
      const asked = await controller.messages();
      t.diagnostic(`${asked} messages for ${name}`);
      assert.equal(asked === 0, direct);
    });
  }
});

/** What the guest has written, and no longer stands there afterwards. */
function writtenText(disk: number): string {
  const sector = Buffer.alloc(512);
  readSync(disk, sector, 0, sector.length, TEXT_WRITTEN * 512);
  writeSync(disk, Buffer.alloc(512), 0, 512, TEXT_WRITTEN * 512);
  return sector.toString("latin1").replace(/\0+$/, "");
}
