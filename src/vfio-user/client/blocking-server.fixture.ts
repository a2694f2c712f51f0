/**
 * For tests: the wire of a server that does one thing at a time and waits in every call, with the habits of libvfio-user
 * (nutanix/libvfio-user: lib/tran.c, lib/tran_sock.c): what follows a header is read by one recv, capabilities are answered
 * unasked, and while a request is carried out it may ask the client for memory and wait for the answer. Written anew,
 * from what that library was seen to do.
 */

import { constants } from "node:os";
import { AF_UNIX, MSG_NOSIGNAL, MSG_WAITALL, SOCK_CLOEXEC, SOCK_STREAM } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { unixAddress } from "../../system/socket-address.ts";
import { DeviceError, errnoOf } from "../wire/device-error.ts";
import { typeOf, writeHeader } from "../wire/message-header.ts";
import {
  VFIO_USER_F_ERROR,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_DMA_WRITE,
  VFIO_USER_HEADER,
  VFIO_USER_VERSION,
  VFIO_USER_VERSION_HEAD,
} from "../wire/protocol.ts";

const { ECONNRESET, EINVAL, EPROTO } = constants.errno;
const ACCESS = VFIO_USER_DMA_REGION_ACCESS;
/** VFIO_USER_CLIENT_MAX_MSG_FDS_LIMIT is 1024, the kernel's limit less. */
const MOST_DESCRIPTORS = 253;
const MAX_DATA_XFER_SIZE = 1 << 20;
const MOST_MESSAGE_BYTES = MAX_DATA_XFER_SIZE + 4096;

export interface Answer {
  readonly payload?: Uint8Array;
  readonly descriptors?: readonly number[];
}

/** Carries out a request; a thrown error becomes the reply's errno. Descriptors that it keeps it takes out. */
export type Handler = (command: number, payload: Uint8Array, descriptors: number[]) => Answer;

/** The client has hung up. */
class Gone extends Error {}

export class BlockingServer {
  readonly #listener: number;
  readonly #offersTwin: boolean;
  #client = -1;
  #twin: number | null = null;
  #nextId = 1;

  constructor(path: string, { offersTwin }: { readonly offersTwin: boolean }) {
    this.#offersTwin = offersTwin;
    this.#listener = linux.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    linux.bind(this.#listener, unixAddress(path));
    linux.listen(this.#listener, 0);
  }

  /** Waits for a client and serves it until it goes. */
  serveClient(handle: Handler): void {
    this.#client = linux.accept4(this.#listener, SOCK_CLOEXEC);
    try {
      this.#serve((command, payload) => this.#agree(command, payload));
      for (;;) this.#serve(handle);
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    } finally {
      linux.close(this.#client);
      if (this.#twin !== null) linux.close(this.#twin);
      this.#twin = null;
    }
  }

  /** Fills `target` from the client's memory, by a message. */
  dmaRead(addr: bigint, target: Uint8Array): void {
    const request = ACCESS.encode({ addr, count: BigInt(target.length) });
    target.set(this.#ask(VFIO_USER_DMA_READ, request, ACCESS.size + target.length).subarray(ACCESS.size));
  }

  dmaWrite(addr: bigint, source: Uint8Array): void {
    const request = ACCESS.encode({ addr, count: BigInt(source.length) }, source.length);
    request.set(source, ACCESS.size);
    this.#ask(VFIO_USER_DMA_WRITE, request, ACCESS.size);
  }

  /** Without a twin socket, whatever the client sends next is taken for the answer. */
  #ask(command: number, request: Uint8Array, size: number): Uint8Array {
    const fd = this.#twin ?? this.#client;
    const id = this.#nextId++;
    send(fd, id, command, 0, 0, { payload: request });
    const { header } = receiveHeader(fd, 0);
    if (header.id !== id || typeOf(header) !== VFIO_USER_F_TYPE_REPLY) throw new DeviceError(EPROTO);
    if ((header.flags & VFIO_USER_F_ERROR) !== 0) throw new DeviceError(header.errno);
    const payload = new Uint8Array(size);
    const length = Math.min(header.size - VFIO_USER_HEADER.size, size);
    if (linux.recv(fd, payload.subarray(0, length), MSG_WAITALL) !== size) throw new DeviceError(ECONNRESET);
    return payload;
  }

  #serve(handle: Handler): void {
    const { header, descriptors } = receiveHeader(this.#client, MOST_DESCRIPTORS);
    const { id, command, flags } = header;
    let answer: Answer = {};
    let errno = 0;
    try {
      answer = handle(command, receiveBody(this.#client, header.size), descriptors);
    } catch (error) {
      if (error instanceof Gone) throw error;
      errno = errnoOf(error);
    }
    for (const fd of descriptors) linux.close(fd);
    if ((flags & VFIO_USER_F_NO_REPLY) !== 0) return;
    const kind = VFIO_USER_F_TYPE_REPLY | (errno === 0 ? 0 : VFIO_USER_F_ERROR);
    send(this.#client, id, command, kind, errno, answer);
  }

  #agree(command: number, payload: Uint8Array): Answer {
    if (command !== VFIO_USER_VERSION || payload.at(-1) !== 0) throw new DeviceError(EINVAL);
    const proposal = Buffer.from(payload.subarray(VFIO_USER_VERSION_HEAD.size, -1)).toString();
    const capabilities: Record<string, unknown> = {
      max_msg_fds: 8,
      max_data_xfer_size: MAX_DATA_XFER_SIZE,
      migration: { pgsize: 4096 },
    };
    const descriptors: number[] = [];
    if (this.#offersTwin && /"twin_socket":\{"supported":true/.test(proposal)) {
      const [mine, theirs] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC);
      this.#twin = mine;
      descriptors.push(theirs);
      capabilities["twin_socket"] = { supported: true, fd_index: 0 };
    }
    const text = Buffer.from(`${JSON.stringify({ capabilities })}\0`);
    return { payload: Buffer.concat([VFIO_USER_VERSION_HEAD.encode({ minor: 1 }), text]), descriptors };
  }
}

function receiveHeader(fd: number, most: number) {
  const bytes = new Uint8Array(VFIO_USER_HEADER.size);
  const received = linux.recvmsg(fd, bytes, most, 0);
  if (received.bytes === 0) throw new Gone();
  if (received.bytes < bytes.length) throw new DeviceError(ECONNRESET);
  const { msg_id: id, cmd: command, msg_size: size, flags, error_no: errno } = VFIO_USER_HEADER.decode(bytes);
  return { header: { id, command, size, flags, errno }, descriptors: [...received.descriptors] };
}

/** One recv, whatever it brings. */
function receiveBody(fd: number, size: number): Uint8Array {
  if (size < VFIO_USER_HEADER.size || size > MOST_MESSAGE_BYTES) throw new DeviceError(EINVAL);
  const body = new Uint8Array(size - VFIO_USER_HEADER.size);
  if (body.length === 0) return body;
  const received = linux.recv(fd, body, 0);
  if (received === 0) throw new Gone();
  if (received !== body.length) throw new DeviceError(EINVAL);
  return body;
}

function send(
  fd: number,
  id: number,
  command: number,
  flags: number,
  errno: number,
  { payload = new Uint8Array(0), descriptors = [] }: Answer,
): void {
  const header = new Uint8Array(VFIO_USER_HEADER.size);
  writeHeader(header, id, command, header.length + payload.length, flags, errno);
  linux.sendmsg(fd, [header, payload], descriptors, MSG_NOSIGNAL);
}
