/** For tests: what a raw client sends to the device of `dma-device.fixture.ts`. */

import assert from "node:assert/strict";
import { encodeOrder, ORDER_SIZE } from "./dma-device.fixture.ts";
import {
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_MAP_REQUEST,
  VFIO_USER_DMA_UNMAP_REQUEST,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_WRITE,
} from "../wire/protocol.ts";
import { encodeMessage, type RawPeer } from "../wire/raw-peer.fixture.ts";

const PAGE = 4096n;

type MapFields = Parameters<typeof VFIO_USER_DMA_MAP_REQUEST.encode>[0];
type UnmapFields = Parameters<typeof VFIO_USER_DMA_UNMAP_REQUEST.encode>[0];

/** Of VFIO_USER_DMA_MAP: the page at 0, to be read and written, but for what is said otherwise. */
export function mapRequest(change: MapFields = {}): Uint8Array {
  return VFIO_USER_DMA_MAP_REQUEST.encode({ argsz: 32, flags: 3, addr: 0n, size: PAGE, ...change });
}

/** Of VFIO_USER_DMA_UNMAP: the page at 0, but for what is said otherwise. */
export function unmapRequest(change: UnmapFields = {}): Uint8Array {
  return VFIO_USER_DMA_UNMAP_REQUEST.encode({ argsz: 24, addr: 0n, size: PAGE, ...change });
}

/** Of VFIO_USER_REGION_WRITE: gives the device's engine an order. */
export function orderRequest(order: number, iova: bigint, length: number): Uint8Array {
  const access = VFIO_USER_REGION_ACCESS.encode({ offset: 0n, region: 0, count: ORDER_SIZE });
  return Buffer.concat([access, encodeOrder(order, 0, iova, length)]);
}

/**
 * Maps a page without a file, and sends an order to move the 4 bytes at 8, as message 1: the device must ask for them
 * before it replies.
 */
export function sendOrder(peer: RawPeer, order: number): void {
  assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest())?.errno, 0);
  peer.send(encodeMessage({ id: 1, command: VFIO_USER_REGION_WRITE, payload: orderRequest(order, 8n, 4) }));
}
