/**
 * Signalling an eventfd that a peer shares. A write to one waits where its counter is full, unless O_NONBLOCK is set; but
 * that flag is the file's, and the peer can clear it, and fill the counter, at any time between a look and the write. What
 * the kernel itself signals never waits (eventfd_signal in fs/eventfd.c), and it does so at the end of an asynchronous
 * request that names an eventfd (IOCB_FLAG_RESFD, io_submit(2)): here, of reading nothing from /dev/null.
 */

import { constants } from "node:os";
import { EFD_CLOEXEC, F_GETFL, F_SETFL, O_CLOEXEC, O_NONBLOCK, O_RDONLY, POLLOUT } from "./constants.ts";
import { linux } from "./libc.ts";
import { struct } from "./struct.ts";
import { SystemCallError } from "./system.ts";

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);
/** `struct iocb` of linux/aio_abi.h; IOCB_CMD_PREAD is 0. */
const IOCB = struct({
  aio_data: "u64",
  aio_key: "u32",
  aio_rw_flags: "u32",
  aio_lio_opcode: "u16",
  aio_reqprio: "u16",
  aio_fildes: "u32",
  aio_buf: "u64",
  aio_nbytes: "u64",
  aio_offset: "u64",
  aio_reserved2: "u64",
  aio_flags: "u32",
  aio_resfd: "u32",
});
const IOCB_FLAG_RESFD = 1;
/** Requests are done when they are submitted; their events are taken when so many have come. */
const EVENTS = 64;

/** Signals one eventfd after another, by a context of this thread's. */
class Signaller {
  readonly #context: bigint;
  readonly #nothing: number;
  readonly #events = new Uint8Array(EVENTS * 32);
  #untaken = 0;

  /** @throws SystemCallError where the kernel has no asynchronous requests, or has none left for us */
  constructor() {
    this.#context = linux.io_setup(EVENTS);
    this.#nothing = linux.open("/dev/null", O_RDONLY | O_CLOEXEC);
    // The contexts of a thread outlive it.
    process.once("exit", () => linux.io_destroy(this.#context));
  }

  signal(fd: number): void {
    if (this.#untaken >= EVENTS) this.#untaken -= linux.io_getevents(this.#context, this.#events);
    const fields = { aio_fildes: this.#nothing, aio_flags: IOCB_FLAG_RESFD, aio_resfd: fd };
    linux.io_submit(this.#context, IOCB.encode(fields));
    this.#untaken += 1;
  }
}

/** Null where there can be none. */
let signaller: Signaller | null | undefined;

/**
 * Adds 1 to the eventfd's counter, and never waits. Where 2^64 − 2 signals have piled up, nothing: nothing is lost.
 *
 * @throws SystemCallError for what is no eventfd
 */
export function signalEventfd(fd: number): void {
  signaller ??= signaller === null ? null : openSignaller();
  if (signaller === null) signalByWriting(fd);
  else signaller.signal(fd);
}

function openSignaller(): Signaller | null {
  try {
    const made = new Signaller();
    const trial = linux.eventfd(0, EFD_CLOEXEC);
    try {
      made.signal(trial);
    } finally {
      linux.close(trial);
    }
    return made;
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  }
}

/** As near as it comes without: only a peer that fills the counter between the look and the write makes it wait. */
export function signalByWriting(fd: number): void {
  linux.fcntl(fd, F_SETFL, linux.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
  if (linux.poll([{ fd, events: POLLOUT, revents: 0 }], 0) !== 1) return;
  try {
    linux.write(fd, ONE);
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === constants.errno.EAGAIN) return;
    throw error;
  }
}
