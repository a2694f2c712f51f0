/** For tests: a device that is served in this thread, and raw clients that never block it. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { POLLIN } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import {
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_VERSION,
} from "../wire/protocol.ts";
import { encodeMessage, RawPeer, versionPayload, type ReceivedReply } from "../wire/raw-peer.fixture.ts";
import type { DeviceDescription } from "./device-description.ts";
import { mapRequest, unmapRequest } from "./dma-messages.fixture.ts";
import type { DeviceClient } from "./parts/device-client.ts";
import { serveDevice, type DeviceServer } from "./server.ts";

/** A client whose waits leave the thread to the server. */
export class PatientPeer {
  readonly raw: RawPeer;

  constructor(raw: RawPeer) {
    this.raw = raw;
  }

  /** Whether something has come, or comes within so many milliseconds. */
  async hears(milliseconds: number): Promise<boolean> {
    for (const end = performance.now() + milliseconds; ;) {
      if (linux.poll([{ fd: this.raw.fd, events: POLLIN, revents: 0 }], 0) > 0) return true;
      if (performance.now() >= end) return false;
      await sleep(1);
    }
  }

  async receive(): Promise<ReceivedReply | null> {
    assert.ok(await this.hears(10_000), "nothing has come");
    return this.raw.receive();
  }

  async ask(
    command: number,
    payload: Uint8Array,
    descriptors: readonly number[] = [],
  ): Promise<ReceivedReply> {
    this.raw.send(this.encode(command, payload), descriptors);
    const reply = await this.receive();
    assert.ok(reply !== null, "it hung up");
    return reply;
  }

  encode(command: number, payload: Uint8Array): Uint8Array {
    return encodeMessage({ id: 9, command, payload });
  }

  /** Maps pages from `page` on for DMA. */
  async map(page: number, pages: number, fd?: number, offset = 0n): Promise<void> {
    const payload = mapRequest({ addr: BigInt(page) * 4096n, size: BigInt(pages) * 4096n, offset });
    assert.equal((await this.ask(VFIO_USER_DMA_MAP, payload, fd === undefined ? [] : [fd])).errno, 0);
  }

  /** Sends the request to unmap them. */
  sendUnmap(page: number, pages: number): void {
    const payload = unmapRequest({ addr: BigInt(page) * 4096n, size: BigInt(pages) * 4096n });
    this.raw.send(encodeMessage({ id: 10, command: VFIO_USER_DMA_UNMAP, payload }));
  }

  async unmap(page: number, pages: number): Promise<ReceivedReply> {
    const payload = unmapRequest({ addr: BigInt(page) * 4096n, size: BigInt(pages) * 4096n });
    return await this.ask(VFIO_USER_DMA_UNMAP, payload);
  }

  async read(region: number, offset: number, count: number): Promise<ReceivedReply> {
    const payload = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(offset), region, count });
    return await this.ask(VFIO_USER_REGION_READ, payload);
  }

  async write(region: number, offset: number, bytes: Uint8Array): Promise<ReceivedReply> {
    const payload = VFIO_USER_REGION_ACCESS.encode(
      { offset: BigInt(offset), region, count: bytes.length },
      bytes.length,
    );
    payload.set(bytes, VFIO_USER_REGION_ACCESS.size);
    return await this.ask(VFIO_USER_REGION_WRITE, payload);
  }

  close(): void {
    this.raw.close();
  }
}

export interface OwnThread {
  /** What the author was told of. */
  readonly errors: unknown[];
  /** Serves a device; it is closed when the test ends. */
  readonly start: (description: DeviceDescription) => DeviceServer;
  readonly connect: () => PatientPeer;
  /** Connects and agrees on a version. */
  readonly negotiate: (capabilities?: object) => Promise<PatientPeer>;
  /** As `negotiate`, and what the handlers hold of that client. */
  readonly pair: () => Promise<[PatientPeer, DeviceClient]>;
}

export function ownThread(): OwnThread {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
  const socket = join(folder, "device.sock");
  const errors: unknown[] = [];
  const peers: PatientPeer[] = [];
  let server: DeviceServer | null = null;
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    await server?.close();
    server = null;
    errors.length = 0;
  });
  process.once("exit", () => rmSync(folder, { recursive: true }));
  const connect = (): PatientPeer => {
    const peer = new PatientPeer(RawPeer.connect(socket));
    peers.push(peer);
    return peer;
  };
  const negotiate = async (capabilities?: object): Promise<PatientPeer> => {
    const peer = connect();
    const reply = await peer.ask(VFIO_USER_VERSION, versionPayload(capabilities));
    assert.equal(reply.errno, 0);
    return peer;
  };
  return {
    errors,
    start(description) {
      server = serveDevice(description, { socket, onError: (error) => errors.push(error) });
      return server;
    },
    connect,
    negotiate,
    async pair() {
      const peer = await negotiate();
      const client = server?.client ?? null;
      assert.ok(client !== null);
      return [peer, client];
    },
  };
}
