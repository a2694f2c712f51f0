/**
 * QEMU's test protocol, one line for each access of a guest's processor (QEMU, system/qtest.c): makes a paused QEMU
 * touch the device memory that it has mapped, by its own code and through its own mapping.
 */

import assert from "node:assert/strict";
import { on } from "node:events";
import { arch } from "node:os";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** Lines under way at once: few enough for the pipes to hold them and their answers. */
const MOST_UNDER_WAY = 256;

export interface Qtest {
  /** Runs the commands one after another and returns what they answer. */
  run(commands: readonly string[]): Promise<bigint[]>;
}

export function connectQtest(input: Writable, output: Readable): Qtest {
  const lines = on(createInterface({ input: output }), "line", { close: ["close"] });
  const answer = async (command: string): Promise<bigint> => {
    const { value, done }: IteratorResult<string[]> = await lines.next();
    const line = done === true ? "nothing any more" : value[0];
    const [, number] = /^OK(?: (0x[0-9a-f]+))?$/.exec(line ?? "") ?? assert.fail(`${command}: ${line}`);
    return BigInt(number ?? 0);
  };
  return {
    async run(commands) {
      const answers: bigint[] = [];
      for (let start = 0; start < commands.length; start += MOST_UNDER_WAY) {
        const some = commands.slice(start, start + MOST_UNDER_WAY);
        input.write(some.map((command) => `${command}\n`).join(""));
        for (const command of some) answers.push(await answer(command));
      }
      return answers;
    },
  };
}

/**
 * Where a BAR is put for these accesses. With the topmost bit set QEMU takes it for a BAR that is just being sized and
 * does not hand it to the IOMMU (hw/vfio/listener.c, vfio_listener_skipped_section), which would touch all of it. A virt
 * machine has one place for large BARs; there it takes an IOMMU of QEMU's own that lets nothing through (`withoutDma`).
 */
const PLACE = arch() === "arm64" ? 0x80_0000_0000n : 1n << 63n;

/** What keeps a virt machine from mapping BARs for DMA. */
export const withoutDma: readonly string[] =
  arch() === "arm64" ? ["-device", "virtio-iommu-pci,boot-bypass=off,addr=0x1f"] : [];

const PCI_COMMAND = 0x04;
const PCI_COMMAND_MEMORY = 0x2;
const PCI_BASE_ADDRESS_0 = 0x10;

/** Gives the 64-bit BAR an address and switches the device's memory on, as a guest's firmware would. */
export async function placeBar(qtest: Qtest, slot: number, bar: number): Promise<void> {
  const low = PCI_BASE_ADDRESS_0 + 4 * bar;
  await qtest.run([
    ...configWrites(slot, low, Number(PLACE & 0xffff_ffffn)),
    ...configWrites(slot, low + 4, Number(PLACE >> 32n)),
    ...configWrites(slot, PCI_COMMAND, PCI_COMMAND_MEMORY),
  ]);
}

/** Where a virt machine has the configuration space of its devices, if its memory is above 4 GiB (hw/arm/virt.c). */
const VIRT_ECAM = 0x40_1000_0000;

/** Writes 32 bits of a device's configuration: by a PC's ports, or where a virt machine has it in memory. */
export function configWrites(slot: number, register: number, value: number): string[] {
  return arch() === "arm64"
    ? [`writel ${VIRT_ECAM + slot * 0x8000 + register} ${value}`]
    : [`outl 0xcf8 ${0x8000_0000 + slot * 0x800 + register}`, `outl 0xcfc ${value}`];
}

/** Has QEMU read a byte of the BAR, placed by `placeBar`, at each of the offsets. */
export async function readBar(qtest: Qtest, offsets: readonly number[]): Promise<void> {
  await qtest.run(offsets.map((offset) => `readb ${PLACE + BigInt(offset)}`));
}
