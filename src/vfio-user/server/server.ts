/** A vfio-user server: a device that an author describes, behind a socket, for one client after another. */

import { constants } from "node:os";
import { requireFunction, requireOptions } from "../../arguments.ts";
import { POLLIN, SOCK_CLOEXEC } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { SystemCallError } from "../../system/system.ts";
import { checkDescription, requireSocket } from "./check-description.ts";
import { Connection } from "./link/connection.ts";
import type { DeviceDescription } from "./device-description.ts";
import { DeviceSession } from "./device-session.ts";
import type { DeviceClient } from "./parts/device-client.ts";
import { limitReports } from "./limited-reports.ts";
import { buildDevice, type ServedDevice } from "./served-device.ts";
import { serve, type Service, type Serving } from "./link/service-loop.ts";
import { boundPath, listenAt, type ListeningSocket } from "./link/socket-file.ts";

const { EAGAIN, ECONNABORTED } = constants.errno;
/** How long to wait before the next try when no client can be accepted, as when there are no descriptors left. */
const RETRY_MILLISECONDS = 1000;

export interface ServeOptions {
  /** Where to listen; the file is made for its owner alone (mode 0600) and removed by `close`. */
  readonly socket: string;
  /** Told of errors in handlers, which clients only see as an errno at most; without it they become process warnings. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Serves a device from this thread's event loop, which it never blocks for long; the thread stays alive until the
 * server is closed. A client in the same thread would wait for itself: clients here are synchronous.
 *
 * @throws ERR_BUSY when the socket is in use; ERR_ARGUMENT, ERR_REGION_LAYOUT when the description cannot be served;
 *   ERR_PERMISSION, ERR_SYSTEM when the kernel refuses.
 *
 * @example
 * const registers = new Uint8Array(0x1000);
 * const server = serveDevice(
 *   {
 *     regions: [
 *       { index: 0, size: 0x1000, read: (offset, target) => target.set(registers.subarray(offset, offset + target.length)) },
 *       { index: 2, size: 256 * 2 ** 30, memory: "sparse" },
 *     ],
 *   },
 *   { socket: "/run/gpu.sock" },
 * );
 */
export function serveDevice(description: DeviceDescription, options: ServeOptions): DeviceServer {
  return new DeviceServer(description, options);
}

export class DeviceServer {
  /** The socket's path. */
  readonly path: string;
  readonly #device: ServedDevice;
  readonly #listener: Listener;

  /** @internal */
  constructor(description: DeviceDescription, options: ServeOptions) {
    requireOptions("of serving", options);
    const { socket, onError = warn } = options;
    requireSocket(socket);
    requireFunction("onError", onError);
    checkDescription(description);
    this.path = socket;
    const report = limitReports(onError);
    this.#device = buildDevice(description, boundPath(socket), report);
    try {
      this.#listener = new Listener(listenAt(socket), this.#device, report);
    } catch (error) {
      this.#device.release();
      throw error;
    }
  }

  /** The client that is being served now, for what a device does of its own accord; null while there is none. */
  get client(): DeviceClient | null {
    return this.#listener.client;
  }

  /** Hangs up, stops listening, and removes the socket's file. Resolves when nothing of the server is left. */
  close(): Promise<void> {
    return this.#listener.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class Listener implements Service {
  readonly fd: number;
  readonly #socket: ListeningSocket;
  readonly #device: ServedDevice;
  readonly #onError: (error: unknown) => void;
  readonly #serving: Serving;
  /** The client being served; the others wait in the socket's backlog. */
  #connection: Connection | null = null;
  #session: DeviceSession | null = null;
  #retry: NodeJS.Timeout | null = null;
  #closed: Promise<void> | null = null;

  constructor(socket: ListeningSocket, device: ServedDevice, onError: (error: unknown) => void) {
    this.fd = socket.fd;
    this.#socket = socket;
    this.#device = device;
    this.#onError = onError;
    this.#serving = serve(this);
  }

  get client(): DeviceClient | null {
    return this.#session?.client ?? null;
  }

  wants(): number {
    return this.#connection === null && this.#retry === null && this.#closed === null ? POLLIN : 0;
  }

  serve(): void {
    try {
      const fd = linux.tieToThread(linux.accept4(this.fd, SOCK_CLOEXEC));
      this.#connection = new Connection(
        fd,
        `vfio-user:${this.#socket.path}`,
        (link) => (this.#session = new DeviceSession(this.#device, link)),
        this.#onError,
        () => {
          this.#connection = null;
          this.#session = null;
          this.#serving.wake();
        },
      );
    } catch (error) {
      // The client has gone already.
      if (error instanceof SystemCallError && (error.errno === EAGAIN || error.errno === ECONNABORTED))
        return;
      this.#onError(error);
      this.#retry = setTimeout(() => {
        this.#retry = null;
        this.#serving.wake();
      }, RETRY_MILLISECONDS);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#release();
    return this.#closed;
  }

  async #release(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    const connection = this.#connection?.close();
    const served = this.#serving.close();
    this.#socket.close();
    await Promise.all([connection, served]);
    this.#device.release();
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
