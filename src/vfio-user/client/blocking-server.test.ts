/** The client drives a device of the kind that strangers write: `blocking-device.fixture.ts` says what is particular about it. */

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Device } from "../../device/device.ts";
import type { InterruptEvent } from "../../device/interrupts/interrupt-sequence.ts";
import { linux } from "../../system/libc.ts";
import { SharedMemory } from "../../memory/shared-memory.ts";
import {
  DONE,
  LARGE,
  LARGE_SIZE,
  MAPPABLE,
  MAPPABLE_AREAS,
  ORDER,
  ORDER_SIZE,
  RAISE,
  REGISTERS,
} from "./blocking-device.fixture.ts";
import { connectVfioUser } from "./client.ts";

for (const flags of [[], ["no-twin"]]) {
  describe(`a device that blocks, ${flags.length === 0 ? "with" : "without"} a twin socket`, () => {
    let folder: string;
    let server: ChildProcess;
    let device: Device;
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), "hugebar-"));
      const socket = join(folder, "device.sock");
      const fixture = join(import.meta.dirname, "blocking-device.fixture.ts");
      server = spawn(process.execPath, [fixture, socket, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
      if (server.stdout !== null) await once(server.stdout, "data");
      device = new Device(connectVfioUser(socket), linux);
    });
    after(async () => {
      device.close();
      const ended = once(server, "exit");
      server.kill();
      await ended;
      rmSync(folder, { recursive: true });
    });

    it("tells what it is", () => {
      assert.deepEqual([device.config.vendor, device.config.device], [0xdead, 0xbeef]);
      const sizes = device.regions().map(({ size }) => size);
      assert.deepEqual(sizes, [16, 0x4000, LARGE_SIZE, 0, 0, 0, 0, 256, 0]);
      const counts = (["intx", "msi", "msix"] as const).map((kind) => device.interrupts(kind).count);
      assert.deepEqual(counts, [1, 0, 12]);
    });

    it("lends a file on disk, in two areas", () => {
      const bar = device.region(MAPPABLE).map();
      assert.deepEqual(device.region(MAPPABLE).areas, MAPPABLE_AREAS);
      assert.equal(bar.canShrink, true);
      for (const [number, offset] of [0xffc, 0x1000, 0x2000, 0x3ffc].entries()) {
        bar.write32(offset, 0x1111_1111 * (number + 1));
      }
      bar.setEnabled(false);
      const byMessage = [0xffc, 0x1000, 0x2000, 0x3ffc].map((offset) => bar.read32(offset));
      assert.deepEqual(byMessage, [0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444]);
      bar.close();
    });

    it("refuses a register's part, and goes on", () => {
      const registers = device.region(REGISTERS).map();
      assert.throws(() => registers.read32(0), { code: "ERR_DEVICE", message: /EINVAL/ });
      const before = registers.read64(0);
      device.reset();
      assert.equal(registers.read64(0), before + 1n);
      registers.close();
    });

    it("takes and gives megabytes behind its callback", () => {
      const bar = device.region(LARGE).map();
      const bytes = Uint8Array.from({ length: LARGE_SIZE }, (_, at) => (at * 31) >>> 4);
      const back = new Uint8Array(LARGE_SIZE);
      for (let round = 0; round < 4; round += 1) {
        bar.copyIn(0, bytes.fill(round, 0, 100));
        bar.copyOut(0, back);
        assert.equal(Buffer.compare(bytes, back), 0);
      }
      bar.close();
    });

    it("raises interrupts, more of them than eventfds go into a message", async () => {
      const vectors = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11];
      const raised = new Map<number, number>();
      const all = Promise.withResolvers<void>();
      const count = ({ vector, signals }: InterruptEvent): void => {
        raised.set(vector, (raised.get(vector) ?? 0) + signals);
        if (raised.size === vectors.length) all.resolve();
      };
      const msix = device.interrupts("msix");
      const listener = msix.listen(vectors, count);
      const registers = device.region(REGISTERS).map();
      for (const vector of vectors) registers.write64(RAISE, BigInt(vector));
      await all.promise;
      assert.deepEqual(
        [...raised].sort(([one], [other]) => one - other),
        vectors.map((vector) => [vector, 1]),
      );
      assert.throws(() => registers.write64(RAISE, 9n), { code: "ERR_DEVICE", message: /ENOENT/ });
      msix.mask(3);
      msix.unmask(3);
      listener.close();
      assert.throws(() => registers.write64(RAISE, 3n), { code: "ERR_DEVICE", message: /ENOENT/ });
      registers.close();
    });

    it("reads and writes our memory by messages in the middle of a write", async () => {
      const memory = new SharedMemory(1 << 20);
      const mapping = device.dma.map(memory, 0x4000_0000n);
      const registers = device.region(REGISTERS).map();
      const done = Promise.withResolvers<InterruptEvent>();
      const listener = device.interrupts("msix").listen([DONE], done.resolve);
      const source = memory.bytes(0x10, ORDER_SIZE).fill(0x5a);
      registers.write64(ORDER, 0x4000_0010n);
      assert.equal((await done.promise).vector, DONE);
      assert.ok(memory.bytes(0x10 + ORDER_SIZE, ORDER_SIZE).every((byte) => byte === 0xa5));
      assert.ok(source.every((byte) => byte === 0x5a));
      assert.throws(() => registers.write64(ORDER, 0x7000_0000n), { code: "ERR_DEVICE", message: /EFAULT/ });
      listener.close();
      mapping.close();
      assert.throws(() => registers.write64(ORDER, 0x4000_0010n), { code: "ERR_DEVICE" });
      registers.close();
      memory.close();
    });

    it("serves one client after the other", () => {
      const { name } = device;
      for (let round = 0; round < 20; round += 1) {
        device.close();
        device = new Device(connectVfioUser(name.replace("vfio-user:", "")), linux);
        assert.equal(device.config.vendor, 0xdead);
      }
    });
  });
}
