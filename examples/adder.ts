/**
 * A device that adds up bytes which lie in pieces all over the client's memory: with a list of segments, work that can be
 * waited for, I/O ports, a BAR of 32 bits, and a capability of its own.
 */

import {
  defineRegisters,
  serveDevice,
  type DeviceClient,
  type DeviceServer,
  type WorkerServeOptions,
} from "hugebar";

/** Registers in BAR 0. */
export const REGISTERS = {
  /** Where the list is: for each segment its address and its length, 8 bytes each. */
  list: { offset: 0x00, width: 8 },
  segments: { offset: 0x08, width: 4, writable: 0xff },
  /** 0 nothing has been asked for, 1 busy, 2 done, 3 failed. */
  state: { offset: 0x0c, width: 4, writable: 0 },
  sum: { offset: 0x10, width: 8, writable: 0n },
} as const;

/** Behind the first 256 bytes of configuration space: whose it is (0x1b36), how long, its id, and a factor for the sum. */
export const FACTOR = { id: 0x23, data: Uint8Array.of(0x36, 0x1b, 0xb0, 0x00, 7, 0, 1) } as const;

const MOST_BYTES = 1n << 20n;

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  const registers = defineRegisters(REGISTERS);
  let factor = 1n;
  /** The addition under way. */
  let work = Promise.resolve();

  async function add({ dma }: DeviceClient): Promise<void> {
    const list = new BigUint64Array(2 * registers.get("segments"));
    await dma.read(registers.get("list"), new Uint8Array(list.buffer));
    const lengths = list.filter((_, at) => at % 2 === 1);
    const total = lengths.reduce((sum, length) => sum + length, 0n);
    if (total > MOST_BYTES) throw new RangeError("too much at once");
    const segments = [...lengths].map((length, at) => ({ iova: list[2 * at] ?? 0n, length: Number(length) }));
    const bytes = new Uint8Array(Number(total));
    await dma.readList(segments, bytes);
    registers.set("sum", factor * BigInt(bytes.reduce((sum, byte) => sum + byte, 0)));
  }
  function start(client: DeviceClient): void {
    if (registers.get("state") === 1) return;
    registers.set("state", 1);
    work = add(client).then(
      () => registers.set("state", 2),
      () => registers.set("state", 3), // the client has not mapped that memory, or is gone
    );
  }

  return serveDevice(
    {
      pci: {
        vendor: 0x1b36,
        device: 0x0c0f,
        class: 0x0b_4000,
        capabilities: [{ type: "pcie" }],
        extendedCapabilities: [
          {
            ...FACTOR,
            writable: Uint8Array.of(0, 0, 0, 0, 0, 0, 0xff),
            onWrite: (offset, source) => void (factor = BigInt(source[6 - offset] ?? factor)),
          },
        ],
      },
      regions: [
        { index: 0, registers, bar: { type: "memory", width: 32, prefetchable: false } },
        // Ports: whatever is written there starts the work.
        { index: 1, size: 4, bar: { type: "io" }, write: (_offset, _source, client) => start(client) },
      ],
      // Orders come from the client, whose next one waits meanwhile: so there is nothing to hold back until `resume`.
      quiesce: () => work,
      reset: () => void (factor = 1n),
    },
    { socket },
  );
}
