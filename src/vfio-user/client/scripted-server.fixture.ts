/**
 * For tests: a client whose server's replies are written before they are asked for. They wait in the socket until the
 * client has sent its request, so that client and server need no second thread.
 */

import { SOCK_CLOEXEC, SOCK_STREAM } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import type { System } from "../../system/system.ts";
import { DmaRanges } from "./dma-ranges.ts";
import { RawPeer } from "../wire/raw-peer.fixture.ts";
import { RequestChannel } from "./request-channel.ts";
import { VfioUserTransport } from "./vfio-user-transport.ts";

export interface Scripted {
  readonly client: VfioUserTransport;
  readonly channel: RequestChannel;
  readonly server: RawPeer;
  close(): void;
}

/** The client's first message has id 0, as on every connection. */
export function scriptedServer({
  milliseconds = 1000,
  system = linux,
  maxTransfer = 1 << 20,
  maxWrite = 1 << 20,
} = {}): Scripted {
  const [clientEnd, serverEnd] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC);
  const dma = new DmaRanges(system);
  const channel = new RequestChannel(
    clientEnd,
    "vfio-user:/scripted",
    milliseconds,
    system satisfies System,
    dma,
  );
  const limits = { maxTransfer, maxWrite, maxDescriptors: 16, maxDmaMaps: null, pageSize: null };
  const client = new VfioUserTransport("vfio-user:/scripted", channel, limits, dma, system);
  const server = new RawPeer(serverEnd);
  return {
    client,
    channel,
    server,
    close() {
      client.close();
      server.close();
    },
  };
}
