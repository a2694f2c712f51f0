/** Questions whose answer is of a size that only the server knows: its first field, `argsz`, says how many bytes it takes. */

import type { System } from "../../system/system.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { MOST_MESSAGE_BYTES } from "./message-stream.ts";
import { VFIO_USER_HEADER } from "../wire/protocol.ts";
import { payloadOf, type Reply, type Request, type RequestChannel } from "./request-channel.ts";

export interface Question {
  /** What the answer is, for messages: `its description`. */
  readonly answer: string;
  /** First guess of its size in bytes. */
  readonly guess: number;
  /** The request with this room for the answer. */
  readonly request: (argsz: number) => Request;
  /** What a payload says of the whole answer's size; 0 where it is too short to say. */
  readonly neededBytes: (payload: Uint8Array) => number;
}

/**
 * Asks with a guess of the answer's size and, where it is larger, once more with the size the server gave.
 *
 * @throws ERR_PROTOCOL when no message is that large; whatever `RequestChannel.exchange` throws.
 */
export function askWhole(channel: RequestChannel, question: Question, system: System): Reply {
  const { answer, guess, request, neededBytes } = question;
  const first = request(guess);
  const reply = channel.exchange(first);
  const needed = neededBytes(payloadOf(reply));
  if (needed <= guess) return reply;
  for (const fd of reply.descriptors) system.close(fd);
  if (needed > MOST_MESSAGE_BYTES - VFIO_USER_HEADER.size) {
    throw brokenProtocol(first.action, `${answer} claims ${needed} bytes`);
  }
  return channel.exchange(request(needed));
}
