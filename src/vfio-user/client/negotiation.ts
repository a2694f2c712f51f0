/** VFIO_USER_VERSION from the client's side. */

import { readlinkSync } from "node:fs";
import type { System } from "../../system/system.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { requestMessage } from "../wire/message-header.ts";
import { MAJOR, MINOR, VFIO_USER_VERSION } from "../wire/protocol.ts";
import { payloadOf, type RequestChannel } from "./request-channel.ts";
import {
  checkAnswer,
  decodeVersion,
  encodeVersion,
  OWN_CAPABILITIES,
  peerLimits,
  type Capabilities,
  type PeerLimits,
} from "../wire/version.ts";

/**
 * What the client proposes. A socket of their own for the server's commands is worth having: servers that read commands
 * and replies from the same one may take a request of ours for the reply to theirs.
 */
const PROPOSED = { ...OWN_CAPABILITIES, twin_socket: { supported: true } } satisfies Capabilities;

/**
 * Agrees on a version; returns what the server takes.
 *
 * @throws ERR_PROTOCOL when the server's answer breaks the rules; whatever `RequestChannel.exchange` throws.
 */
export function negotiate(channel: RequestChannel, device: string, system: System): PeerLimits {
  const action = () => `open ${device}`;
  const proposal = encodeVersion({ major: MAJOR, minor: MINOR, capabilities: PROPOSED });
  const reply = channel.exchange({
    action,
    command: VFIO_USER_VERSION,
    head: requestMessage(proposal),
    mostDescriptors: 1,
  });
  const { descriptors } = reply;
  try {
    const answer = decodeVersion(payloadOf(reply), device);
    checkAnswer(answer, device);
    const { twin_socket: twin } = answer.capabilities;
    const [fd] = descriptors;
    if (twin?.supported !== true) {
      if (fd !== undefined) throw brokenProtocol(action, "it passed a descriptor along with its version");
    } else if (fd === undefined || twin.fd_index !== 0) {
      throw brokenProtocol(action, "it agreed to a twin socket and passed none along");
    } else if (!isSocket(fd)) {
      throw brokenProtocol(action, "the twin that it passed along is no socket");
    } else channel.useTwin(fd);
    return peerLimits(answer.capabilities);
  } catch (error) {
    for (const fd of descriptors) system.close(fd);
    throw error;
  }
}

function isSocket(fd: number): boolean {
  return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
}
