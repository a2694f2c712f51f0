/** What a client switches off in configuration space, and what the device then does not do. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import {
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
} from "../../../device/transport/vfio-abi.ts";
import { SharedMemory } from "../../../memory/shared-memory.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, POLLIN } from "../../../system/constants.ts";
import { signalEventfd } from "../../../system/eventfd-signals.ts";
import { linux } from "../../../system/libc.ts";
import {
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DEVICE_SET_IRQS,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_REGION_WRITE_MULTI,
  VFIO_USER_WRITE_MULTI_ENTRY,
  VFIO_USER_WRITE_MULTI_HEAD,
} from "../../wire/protocol.ts";
import { ownThread, type PatientPeer } from "../own-thread.fixture.ts";
import type { PciDescription } from "./pci-config-space.ts";

const { EIO } = constants.errno;
const { start, pair } = ownThread();
const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
const [COMMAND, STATUS, IO, MEMORY, MASTER] = [4, 6, 1, 2, 4];
/** In the second byte. */
const INTX_DISABLE = 4;

const pci: PciDescription = {
  vendor: 1,
  device: 2,
  intx: true,
  capabilities: [{ type: "pm" }, { type: "msi", vectors: 1 }],
};
const regions = [
  { index: 0, bar: { type: "io" }, size: 16, read: () => {}, write: () => {} },
  { index: 1, size: 4096, memory: "sparse" },
  { index: 6, size: 4096, memory: "sparse" },
] as const;

async function put(peer: PatientPeer, at: number, ...bytes: number[]): Promise<void> {
  assert.equal((await peer.write(CONFIG, at, Uint8Array.from(bytes))).errno, 0);
}

async function command(peer: PatientPeer): Promise<number | undefined> {
  return (await peer.read(CONFIG, COMMAND, 1)).payload.at(-1);
}

async function listen(peer: PatientPeer, index: number): Promise<number> {
  const eventfd = linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
  const request = VFIO_IRQ_SET.encode({ argsz: VFIO_IRQ_SET.size, flags, index, start: 0, count: 1 });
  assert.equal((await peer.ask(VFIO_USER_DEVICE_SET_IRQS, request, [eventfd])).errno, 0);
  return eventfd;
}

/** The bit of STATUS that says that an interrupt waits. */
async function waits(peer: PatientPeer): Promise<number> {
  return ((await peer.read(CONFIG, STATUS, 1)).payload.at(-1) ?? 0) & 8;
}

/** How often it was signalled by now. */
function take(eventfd: number): number {
  if (linux.poll([{ fd: eventfd, events: POLLIN, revents: 0 }], 0) === 0) return 0;
  const counter = new BigUint64Array(1);
  linux.read(eventfd, new Uint8Array(counter.buffer));
  return Number(counter[0]);
}

/** Gives the device a page at 0x1000. */
async function lend(peer: PatientPeer): Promise<void> {
  const memory = new SharedMemory(4096);
  await peer.map(1, 1, memory.fd);
  memory.close();
}

describe("decoding", () => {
  it("is on at first and after a reset, for the kinds of BARs that there are", async () => {
    start({ pci, regions });
    const [peer] = await pair();
    assert.equal(await command(peer), IO | MEMORY | MASTER);
    await put(peer, COMMAND, 0);
    assert.equal(await command(peer), 0);
    await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0));
    assert.equal(await command(peer), IO | MEMORY | MASTER);
  });

  it("that is off makes BARs of that kind refuse, and nothing else", async () => {
    start({ pci, regions });
    const [peer] = await pair();
    const answers = async (): Promise<number[]> => {
      const errnos: number[] = [];
      for (const index of [0, 1, 6]) {
        errnos.push((await peer.read(index, 0, 4)).errno);
        errnos.push((await peer.write(index, 0, new Uint8Array(4))).errno);
      }
      return errnos;
    };
    assert.deepEqual(await answers(), [0, 0, 0, 0, 0, 0]);
    await put(peer, COMMAND, MEMORY);
    assert.deepEqual(await answers(), [EIO, EIO, 0, 0, 0, 0]);
    await put(peer, COMMAND, IO);
    assert.deepEqual(await answers(), [0, 0, EIO, EIO, 0, 0]);
    const writes = VFIO_USER_WRITE_MULTI_HEAD.encode({ wr_cnt: 2n }, 2 * VFIO_USER_WRITE_MULTI_ENTRY.size);
    for (const [number, region] of [1, 0].entries()) {
      const at = VFIO_USER_WRITE_MULTI_HEAD.size + number * VFIO_USER_WRITE_MULTI_ENTRY.size;
      VFIO_USER_WRITE_MULTI_ENTRY.encodeInto(writes, at, { offset: 0n, region, count: 4, data: 0n });
    }
    const { payload } = await peer.ask(VFIO_USER_REGION_WRITE_MULTI, writes);
    assert.equal(VFIO_USER_WRITE_MULTI_HEAD.decode(payload).wr_cnt, 1n);
    await put(peer, COMMAND, IO | MEMORY);
    assert.deepEqual(await answers(), [0, 0, 0, 0, 0, 0]);
    // D3hot, by the first capability's control register.
    await put(peer, 0x44, 3);
    assert.deepEqual(await answers(), [EIO, EIO, EIO, EIO, 0, 0]);
    await put(peer, 0x44, 0);
    assert.deepEqual(await answers(), [0, 0, 0, 0, 0, 0]);
  });
});

describe("decoding that is off", () => {
  it("loses kicks by eventfds, as it refuses writes", async () => {
    const kicks: number[] = [];
    const onKick = (times: number): void => void kicks.push(times);
    start({ pci, regions: [{ index: 1, size: 4096, ioeventfds: [{ offset: 0, size: 4, onKick }] }] });
    const [peer] = await pair();
    const request = VFIO_USER_REGION_IO_FDS.encode({ argsz: 4096, flags: 0, index: 1, count: 0 });
    const { descriptors } = await peer.ask(VFIO_USER_DEVICE_GET_REGION_IO_FDS, request);
    const [eventfd = -1] = descriptors;
    const kick = async (): Promise<void> => {
      signalEventfd(eventfd);
      while (linux.poll([{ fd: eventfd, events: POLLIN, revents: 0 }], 0) > 0) await wait(1);
    };
    await put(peer, COMMAND, MASTER);
    await kick();
    await put(peer, COMMAND, MEMORY);
    await kick();
    assert.deepEqual(kicks, [1]);
    linux.close(eventfd);
  });
});

describe("INTx", () => {
  it("that is disabled waits, as STATUS shows, until it is not", async () => {
    start({ pci, regions });
    const [peer, client] = await pair();
    const [intx, msi] = [
      await listen(peer, VFIO_PCI_INTX_IRQ_INDEX),
      await listen(peer, VFIO_PCI_MSI_IRQ_INDEX),
    ];
    await put(peer, COMMAND, IO | MEMORY | MASTER, INTX_DISABLE);
    for (let times = 0; times < 2; times += 1) client.irq("intx").trigger();
    client.irq("msi").trigger();
    assert.deepEqual([take(intx), take(msi), await waits(peer)], [0, 1, 8]);
    await put(peer, COMMAND, MEMORY, INTX_DISABLE);
    assert.deepEqual([take(intx), await waits(peer)], [0, 8], "another bit is no reason");
    await put(peer, COMMAND + 1, 0);
    assert.deepEqual([take(intx), await waits(peer)], [1, 0]);
    for (const eventfd of [intx, msi]) linux.close(eventfd);
  });

  it("that is disabled is forgotten with a reset", async () => {
    start({ pci, regions });
    const [peer, client] = await pair();
    const intx = await listen(peer, VFIO_PCI_INTX_IRQ_INDEX);
    await put(peer, COMMAND + 1, INTX_DISABLE);
    client.irq("intx").trigger();
    assert.equal(await waits(peer), 8);
    await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0));
    assert.deepEqual([take(intx), await waits(peer)], [0, 0]);
    // Whatever is held is looked at after a write to configuration space.
    await put(peer, COMMAND + 1, 0);
    assert.equal(take(intx), 0);
    linux.close(intx);
  });

  it("that is disabled is forgotten with the client", async () => {
    start({ pci, regions });
    const [peer, client] = await pair();
    await put(peer, COMMAND + 1, INTX_DISABLE);
    client.irq("intx").trigger();
    peer.close();
    const [next] = await pair();
    const intx = await listen(next, VFIO_PCI_INTX_IRQ_INDEX);
    await put(next, COMMAND + 1, 0);
    assert.equal(take(intx), 0);
    linux.close(intx);
  });
});

describe("bus mastering", () => {
  it("that is off refuses DMA and loses MSI, and INTx goes on", async () => {
    start({ pci, regions });
    const [peer, client] = await pair();
    await lend(peer);
    const [msi, intx] = [
      await listen(peer, VFIO_PCI_MSI_IRQ_INDEX),
      await listen(peer, VFIO_PCI_INTX_IRQ_INDEX),
    ];
    await client.dma.write(0x1000n, Uint8Array.of(1));
    await put(peer, COMMAND, MEMORY);
    const denied = { code: "ERR_ACCESS_DENIED", message: /bus mastering/ };
    const segments = [{ iova: 0x1000n, length: 1 }];
    await assert.rejects(client.dma.read(0x1000n, new Uint8Array(1)), denied);
    await assert.rejects(client.dma.write(0x1000n, new Uint8Array(1)), denied);
    await assert.rejects(client.dma.readList(segments, new Uint8Array(1)), denied);
    assert.throws(() => client.dma.view(0x1000n, 1), denied);
    assert.throws(() => client.dma.viewList(segments), denied);
    client.irq("msi").trigger();
    client.irq("intx").trigger();
    assert.equal(take(intx), 1);
    assert.equal(take(msi), 0);

    await put(peer, COMMAND, MASTER);
    const read = new Uint8Array(1);
    await client.dma.read(0x1000n, read);
    assert.equal(read[0], 1, "what was refused has not been written");
    assert.equal(take(msi), 0, "lost, not held");
    client.irq("msi").trigger();
    assert.equal(take(msi), 1);
    for (const eventfd of [msi, intx]) linux.close(eventfd);
  });

  it("is ignored where the author says so", async () => {
    start({ pci: { ...pci, ignoresBusMaster: true }, regions });
    const [peer, client] = await pair();
    await lend(peer);
    const msi = await listen(peer, VFIO_PCI_MSI_IRQ_INDEX);
    await put(peer, COMMAND, 0);
    await client.dma.write(0x1000n, Uint8Array.of(1));
    client.irq("msi").trigger();
    assert.equal(take(msi), 1);
    linux.close(msi);
  });
});
