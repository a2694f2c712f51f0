/**
 * Every message that goes over a vfio-user socket, for anyone who listens on `node:diagnostics_channel`: what its header
 * and its structure say, never the data behind them. Nobody listening costs nothing.
 */

import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_IRQ_SET,
  VFIO_REGION_INFO,
} from "../../device/transport/vfio-abi.ts";
import type { FieldType, Struct } from "../../system/struct.ts";
import { commandName } from "./command-names.ts";
import { readHeader, typeOf } from "./message-header.ts";
import {
  VFIO_USER_DEVICE_FEATURE,
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_IRQ_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_DEVICE_SET_IRQS,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_MAP_REQUEST,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_DMA_UNMAP_REQUEST,
  VFIO_USER_DMA_WRITE,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
  VFIO_USER_MIG_DATA,
  VFIO_USER_MIG_DATA_READ,
  VFIO_USER_MIG_DATA_WRITE,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_REGION_WRITE_MULTI,
  VFIO_USER_VERSION,
  VFIO_USER_VERSION_HEAD,
  VFIO_USER_WRITE_MULTI_HEAD,
} from "./protocol.ts";

/** Which end of which socket a message went through. */
export interface TracedSocket {
  /** Whose end it is. */
  readonly side: "client" | "server";
  /** `vfio-user:PATH` */
  readonly device: string;
  /** Whether it is the twin socket, over which only the server's commands and their replies go. */
  readonly twin: boolean;
}

/** Of `hugebar:vfio-user.message`: a message was sent, or was taken out of what came in. */
export interface VfioUserMessageEvent extends TracedSocket {
  readonly direction: "received" | "sent";
  /** The message's number, by which a reply is told to which command it belongs. */
  readonly id: number;
  readonly command: number;
  /** As the specification has it, `VFIO_USER_REGION_READ`; `VFIO_USER_99` for a number that no command has. */
  readonly name: string;
  readonly type: "command" | "reply";
  /** Of the whole message in bytes, as its header says. */
  readonly size: number;
  /** As in the header: the type of the message in its lowest four bits, then whether a reply is wanted, and whether it failed. */
  readonly flags: number;
  /** Of an error reply; else 0. */
  readonly errno: number;
  /** How many descriptors went along. */
  readonly descriptors: number;
  /**
   * What the message's structure says, by the names of the specification, whether it can be so or not: a region access
   * has `offset`, `region` and `count`. VFIO_USER_VERSION has the peer's text, too, as `capabilities`, cut off after 1000
   * bytes. Data that was read or written, and lists behind the structure, are left out; so is a structure that is not whole.
   */
  readonly fields: Readonly<Record<string, number | bigint | string>>;
}

const CHANNEL = "hugebar:vfio-user.message";
const messages = channel(CHANNEL);

/** No more is shown of the only text that there is. */
const MOST_TEXT_BYTES = 1000;

/** The structure that a command and its reply begin with. */
const STRUCTURES: ReadonlyMap<number, Struct<Record<string, FieldType>>> = new Map<
  number,
  Struct<Record<string, FieldType>>
>([
  [VFIO_USER_VERSION, VFIO_USER_VERSION_HEAD],
  [VFIO_USER_DMA_MAP, VFIO_USER_DMA_MAP_REQUEST],
  [VFIO_USER_DMA_UNMAP, VFIO_USER_DMA_UNMAP_REQUEST],
  [VFIO_USER_DEVICE_GET_INFO, VFIO_DEVICE_INFO],
  [VFIO_USER_DEVICE_GET_REGION_INFO, VFIO_REGION_INFO],
  [VFIO_USER_DEVICE_GET_REGION_IO_FDS, VFIO_USER_REGION_IO_FDS],
  [VFIO_USER_DEVICE_GET_IRQ_INFO, VFIO_IRQ_INFO],
  [VFIO_USER_DEVICE_SET_IRQS, VFIO_IRQ_SET],
  [VFIO_USER_REGION_READ, VFIO_USER_REGION_ACCESS],
  [VFIO_USER_REGION_WRITE, VFIO_USER_REGION_ACCESS],
  [VFIO_USER_DMA_READ, VFIO_USER_DMA_REGION_ACCESS],
  [VFIO_USER_DMA_WRITE, VFIO_USER_DMA_REGION_ACCESS],
  [VFIO_USER_REGION_WRITE_MULTI, VFIO_USER_WRITE_MULTI_HEAD],
  [VFIO_USER_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_ARGUMENT],
  [VFIO_USER_MIG_DATA_READ, VFIO_USER_MIG_DATA],
  [VFIO_USER_MIG_DATA_WRITE, VFIO_USER_MIG_DATA],
]);

/** Hears of every message from now on, until the function that is returned is called. */
export function listenToMessages(listener: (message: VfioUserMessageEvent) => void): () => void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is published there
  const heard = (event: unknown): void => listener(event as VfioUserMessageEvent);
  subscribe(CHANNEL, heard);
  return () => void unsubscribe(CHANNEL, heard);
}

/** Whether anybody listens: only then is a message worth the views that `publishMessage` takes. */
export function messagesAreTraced(): boolean {
  return messages.hasSubscribers;
}

/** @param message from its header on; what its structure does not reach may be missing */
export function publishMessage(
  socket: TracedSocket,
  direction: "received" | "sent",
  message: Uint8Array,
  descriptors: number,
): void {
  const header = readHeader(new DataView(message.buffer, message.byteOffset, message.byteLength), 0);
  const { id, command, size, flags, errno } = header;
  const event: VfioUserMessageEvent = {
    ...socket,
    direction,
    id,
    command,
    name: commandName(command),
    type: typeOf(header) === VFIO_USER_F_TYPE_REPLY ? "reply" : "command",
    size,
    flags,
    errno,
    descriptors,
    fields: fieldsOf(command, message.subarray(VFIO_USER_HEADER.size)),
  };
  messages.publish(event);
}

function fieldsOf(command: number, payload: Uint8Array): VfioUserMessageEvent["fields"] {
  const structure = STRUCTURES.get(command);
  if (structure === undefined || payload.length < structure.size) return {};
  const fields = structure.decode(payload);
  if (command !== VFIO_USER_VERSION) return fields;
  const text = payload.subarray(structure.size, structure.size + MOST_TEXT_BYTES);
  return { ...fields, capabilities: new TextDecoder().decode(text).replace(/\0$/, "") };
}
