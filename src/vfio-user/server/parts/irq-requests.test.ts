/** What the server answers to VFIO_USER_DEVICE_SET_IRQS, good and bad. */

import { constants } from "node:os";
import { describe, it } from "node:test";
import {
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from "../../../device/transport/vfio-abi.ts";
import { VFIO_USER_DEVICE_SET_IRQS } from "../../wire/protocol.ts";
import { assertErrno, rawPeers, type RequestCase } from "../../wire/raw-peers.fixture.ts";
import { servedSocket } from "../served-socket.fixture.ts";

const { EINVAL, ENOTTY } = constants.errno;
const EVENTFD_TRIGGER = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
const NONE_TRIGGER = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
const BOOL_TRIGGER = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
const MASK_EVENTFD = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_MASK;
const { open, memfd, eventfd } = rawPeers(servedSocket("dma-device.fixture.ts"));

function irqRequest(
  flags: number,
  start: number,
  count: number,
  data = new Uint8Array(0),
  argsz = 20,
): Uint8Array {
  const payload = VFIO_IRQ_SET.encode(
    { argsz, flags, index: VFIO_PCI_MSIX_IRQ_INDEX, start, count },
    data.length,
  );
  payload.set(data, VFIO_IRQ_SET.size);
  return payload;
}

const cases: RequestCase[] = [
  ["an eventfd", irqRequest(EVENTFD_TRIGGER, 0, 1), 0, () => [eventfd()]],
  ["no eventfd, which takes it away", irqRequest(EVENTFD_TRIGGER, 0, 8), 0],
  ["too few eventfds", irqRequest(EVENTFD_TRIGGER, 0, 2), EINVAL, () => [eventfd()]],
  ["too many eventfds", irqRequest(EVENTFD_TRIGGER, 0, 1), EINVAL, () => [eventfd(), eventfd()]],
  ["a file where an eventfd is due", irqRequest(EVENTFD_TRIGGER, 0, 1), EINVAL, () => [memfd()]],
  ["an eventfd for masking", irqRequest(MASK_EVENTFD, 0, 1), ENOTTY, () => [eventfd()]],
  ["an eventfd with a trigger", irqRequest(NONE_TRIGGER, 0, 1), EINVAL, () => [eventfd()]],
  ["a vector too high", irqRequest(NONE_TRIGGER, 8, 1), EINVAL],
  ["vectors that wrap", irqRequest(NONE_TRIGGER, 0xffff_ffff, 0xffff_ffff), EINVAL],
  ["booleans", irqRequest(BOOL_TRIGGER, 0, 2, Uint8Array.of(1, 0)), 0],
  ["too few booleans", irqRequest(BOOL_TRIGGER, 0, 3, Uint8Array.of(1, 0)), EINVAL],
  ["a small argsz for interrupts", irqRequest(NONE_TRIGGER, 0, 1, new Uint8Array(0), 19), EINVAL],
  ["interrupts a byte short", irqRequest(NONE_TRIGGER, 0, 1).subarray(1), EINVAL],
];

describe("the server's reply to", () => {
  for (const [what, payload, errno, descriptors] of cases) {
    it(what, () => assertErrno(open(), VFIO_USER_DEVICE_SET_IRQS, payload, errno, descriptors?.()));
  }
});
