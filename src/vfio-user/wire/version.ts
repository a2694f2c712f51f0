/**
 * VFIO_USER_VERSION: what a client and a server tell each other before anything else. The version numbers are
 * followed by a JSON text of capabilities, all of them optional.
 */

import * as v from "valibot";
import { hugebarError } from "../../errors.ts";
import { largestPowerOfTwoIn } from "../../layout/sizes.ts";
import {
  DEFAULT_MAX_DATA_XFER_SIZE,
  DEFAULT_MAX_MSG_FDS,
  MAJOR,
  MINOR,
  VFIO_USER_HEADER,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_VERSION_HEAD,
} from "./protocol.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

const capabilitiesSchema = v.object({
  /** How many descriptors the sender takes in one message. */
  max_msg_fds: v.optional(count),
  /** The largest `count` of a read or write that the sender takes. */
  max_data_xfer_size: v.optional(positive),
  /** How many DMA mappings may exist at once. */
  max_dma_maps: v.optional(count),
  /** The page sizes allowed in DMA mappings, or'ed together. */
  pgsizes: v.optional(positive),
  /** VFIO_USER_REGION_WRITE_MULTI is understood. */
  write_multiple: v.optional(v.boolean()),
  /** Commands from the server go over a socket of their own, passed along with the server's reply. */
  twin_socket: v.optional(v.object({ supported: v.optional(v.boolean()), fd_index: v.optional(count) })),
});
const versionSchema = v.object({ capabilities: v.optional(capabilitiesSchema) });

/** The capabilities as the JSON text has them, unknown ones left out. */
export type Capabilities = v.InferOutput<typeof capabilitiesSchema>;

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly capabilities: Capabilities;
}

/** What hugebar says of itself, as client and as server. QEMU refuses more than 16 descriptors. */
export const OWN_CAPABILITIES = {
  max_msg_fds: 16,
  max_data_xfer_size: DEFAULT_MAX_DATA_XFER_SIZE,
  max_dma_maps: 65535,
  pgsizes: 4096,
  write_multiple: true,
} satisfies Capabilities;

/** The limits that a peer's capabilities set for what is sent to it. */
export interface PeerLimits {
  readonly maxDescriptors: number;
  readonly maxTransfer: number;
  /** Of VFIO_USER_REGION_WRITE. */
  readonly maxWrite: number;
  /** How many DMA mappings there may be at once; null where the peer does not say. */
  readonly maxDmaMaps: number | null;
  /** The smallest page of a DMA mapping; null where the peer does not say. */
  readonly pageSize: number | null;
}

/**
 * The kernel sends this much of a message in one piece (net/unix/af_unix.c: UNIX_SKB_FRAGS_SZ), header and access
 * included. libvfio-user reads what follows a header by one recv(2), which brings no more than is there by then
 * (tran_sock_recv_body in its lib/tran_sock.c): it answers EINVAL to a message of several pieces, and is lost in the
 * stream.
 */
const ONE_PIECE = 32 * 1024 - VFIO_USER_HEADER.size - VFIO_USER_REGION_ACCESS.size;

/** Reads the limits; nothing larger than hugebar's own is used, whatever the peer allows. */
export function peerLimits(capabilities: Capabilities): PeerLimits {
  const { max_msg_fds, max_data_xfer_size, max_dma_maps, pgsizes, write_multiple } = capabilities;
  const maxTransfer = Math.min(
    max_data_xfer_size ?? DEFAULT_MAX_DATA_XFER_SIZE,
    OWN_CAPABILITIES.max_data_xfer_size,
  );
  // libvfio-user speaks of none of these.
  const isAnother = max_dma_maps !== undefined || pgsizes !== undefined || write_multiple !== undefined;
  return {
    maxDescriptors: Math.min(max_msg_fds ?? DEFAULT_MAX_MSG_FDS, OWN_CAPABILITIES.max_msg_fds),
    maxTransfer,
    maxDmaMaps: max_dma_maps ?? null,
    pageSize: pgsizes === undefined ? null : largestPowerOfTwoIn(pgsizes),
    maxWrite: isAnother ? maxTransfer : Math.min(maxTransfer, ONE_PIECE),
  };
}

/** The payload of a VFIO_USER_VERSION message. */
export function encodeVersion({ major, minor, capabilities }: Version): Uint8Array {
  const text = new TextEncoder().encode(`${JSON.stringify({ capabilities })}\0`);
  const payload = VFIO_USER_VERSION_HEAD.encode({ major, minor }, text.length);
  payload.set(text, VFIO_USER_VERSION_HEAD.size);
  return payload;
}

/**
 * Decodes the payload of a VFIO_USER_VERSION message that `peer` sent.
 *
 * @throws ERR_PROTOCOL when it is cut short, is not closed by a zero byte, or is not the JSON it must be.
 */
export function decodeVersion(payload: Uint8Array, peer: string): Version {
  if (payload.length < VFIO_USER_VERSION_HEAD.size) throw malformed(peer, "its version message is cut short");
  const { major, minor } = VFIO_USER_VERSION_HEAD.decode(payload);
  const text = payload.subarray(VFIO_USER_VERSION_HEAD.size);
  if (text.length === 0) return { major, minor, capabilities: {} };
  if (text.at(-1) !== 0) throw malformed(peer, "its capabilities do not end with a zero byte");
  const parsed = v.safeParse(versionSchema, parseJson(text.subarray(0, -1), peer));
  if (!parsed.success) throw malformed(peer, `its capabilities are wrong: ${v.summarize(parsed.issues)}`);
  return { major, minor, capabilities: parsed.output.capabilities ?? {} };
}

/**
 * The server's answer to a client's proposal: the same major version, no higher minor one, and only capabilities that
 * the client named. Who supports a twin socket gets one, as the first descriptor of the reply.
 *
 * @throws ERR_PROTOCOL when the client speaks another major version.
 */
export function answerVersion(proposed: Version, peer: string): Version {
  if (proposed.major !== MAJOR) throw otherMajor(peer, proposed.major);
  const named = Object.fromEntries(
    Object.entries(OWN_CAPABILITIES).filter(([name]) => name in proposed.capabilities),
  );
  const takesTwin =
    proposed.capabilities.twin_socket?.supported === true &&
    peerLimits(proposed.capabilities).maxDescriptors > 0;
  const capabilities = takesTwin ? { ...named, twin_socket: { supported: true, fd_index: 0 } } : named;
  return { major: MAJOR, minor: Math.min(proposed.minor, MINOR), capabilities };
}

/** Checks the server's answer to our proposal; throws ERR_PROTOCOL when it breaks the rules of `answerVersion`. */
export function checkAnswer({ major, minor }: Version, peer: string): void {
  if (major !== MAJOR) throw otherMajor(peer, major);
  if (minor > MINOR) throw malformed(peer, `it answered version ${major}.${minor} to ${MAJOR}.${MINOR}`);
}

function parseJson(text: Uint8Array, peer: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (error) {
    throw malformed(peer, "its capabilities are not JSON", error);
  }
}

function otherMajor(peer: string, major: number) {
  return malformed(peer, `it speaks version ${major}, and hugebar speaks version ${MAJOR}`);
}

function malformed(peer: string, problem: string, cause?: unknown) {
  return hugebarError("ERR_PROTOCOL", { action: `agree on a version with ${peer}`, problem }, cause);
}
