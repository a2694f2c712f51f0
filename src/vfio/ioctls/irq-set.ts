import type { IrqRequest } from "../../device/transport/transport.ts";
import { VFIO_IRQ_SET } from "../../device/transport/vfio-abi.ts";

/** `struct vfio_irq_set` with its data: the eventfds, or the bytes of DATA_BOOL. */
export function encodeIrqSet({ index, flags, start, count, eventfds, data }: IrqRequest): Uint8Array {
  const payload =
    eventfds === undefined ? (data ?? new Uint8Array()) : new Uint8Array(Int32Array.from(eventfds).buffer);
  const argsz = VFIO_IRQ_SET.size + payload.length;
  const request = VFIO_IRQ_SET.encode({ argsz, flags, index, start, count }, payload.length);
  request.set(payload, VFIO_IRQ_SET.size);
  return request;
}
