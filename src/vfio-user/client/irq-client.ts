/** Asking a server about interrupts, and telling it which eventfds to signal. */

import { hugebarError } from "../../errors.ts";
import type { IrqInfo, IrqRequest } from "../../device/transport/transport.ts";
import { VFIO_IRQ_INFO, VFIO_IRQ_SET } from "../../device/transport/vfio-abi.ts";
import { VFIO_USER_DEVICE_GET_IRQ_INFO, VFIO_USER_DEVICE_SET_IRQS } from "../wire/protocol.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { requestMessage } from "../wire/message-header.ts";
import { payloadOf, type RequestChannel } from "./request-channel.ts";

/** VFIO_USER_DEVICE_GET_IRQ_INFO */
export function queryIrqs(channel: RequestChannel, device: string, index: number): IrqInfo {
  const action = () => `read the description of interrupts ${index} of ${device}`;
  const head = requestMessage(VFIO_IRQ_INFO.encode({ argsz: VFIO_IRQ_INFO.size, index }));
  const payload = payloadOf(channel.exchange({ action, command: VFIO_USER_DEVICE_GET_IRQ_INFO, head }));
  if (payload.length < VFIO_IRQ_INFO.size) throw brokenProtocol(action, "its description is cut short");
  const { flags, count, index: described } = VFIO_IRQ_INFO.decode(payload);
  if (described !== index) throw brokenProtocol(action, `it described interrupts ${described}`);
  return { index, flags, count };
}

/**
 * VFIO_USER_DEVICE_SET_IRQS. One message carries either descriptors, at most `mostDescriptors`, or none, which takes
 * them away: a request with both becomes several messages.
 */
export function setIrqs(
  channel: RequestChannel,
  device: string,
  request: IrqRequest,
  mostDescriptors: number,
): void {
  const { eventfds } = request;
  if (eventfds === undefined) {
    sendSetIrqs(channel, device, request, []);
    return;
  }
  if (mostDescriptors === 0 && eventfds.some((fd) => fd >= 0)) {
    const problem = "its server takes no descriptors";
    throw hugebarError("ERR_NOT_SUPPORTED", { action: `listen to interrupts of ${device}`, problem });
  }
  for (let done = 0; done < eventfds.length;) {
    const run = runOfAKind(eventfds, done, mostDescriptors);
    const part = { ...request, start: request.start + done, count: run.length };
    sendSetIrqs(channel, device, part, run[0] === -1 ? [] : run);
    done += run.length;
  }
}

/** The eventfds from `start` on that are all there, or all −1. */
function runOfAKind(eventfds: readonly number[], start: number, most: number): readonly number[] {
  const taken = eventfds[start] === -1;
  const end = eventfds.findIndex((fd, at) => at > start && (fd === -1) !== taken);
  const run = eventfds.slice(start, end === -1 ? undefined : end);
  return taken ? run : run.slice(0, most);
}

function sendSetIrqs(
  channel: RequestChannel,
  device: string,
  { index, flags, start, count, data = new Uint8Array(0) }: IrqRequest,
  descriptors: readonly number[],
): void {
  const payload = VFIO_IRQ_SET.encode(
    { argsz: VFIO_IRQ_SET.size + data.length, flags, index, start, count },
    data.length,
  );
  payload.set(data, VFIO_IRQ_SET.size);
  const action = () => `set up interrupts ${start} to ${start + count - 1} of index ${index} of ${device}`;
  channel.exchange({
    action,
    command: VFIO_USER_DEVICE_SET_IRQS,
    head: requestMessage(payload),
    descriptors,
  });
}
