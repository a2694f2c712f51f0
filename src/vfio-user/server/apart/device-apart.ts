/** A device in a thread or a process of its own, as its host has it. */

import { hugebarError } from "../../../errors.ts";
import { atExit } from "./at-exit.ts";
import { HangWatch } from "./hang-watch.ts";
import { isDeviceMessage, revive, type DeviceMessage, type HostMessage } from "./messages.ts";

/** How long a device that is to close may stand still where nothing else was said, and a thread may take to end. */
const PATIENCE_MILLISECONDS = 5000;

/** A device that another thread or process serves. */
export interface WorkerServer {
  /** The socket's path. */
  readonly path: string;
  /**
   * Resolves when `close` has ended it. Rejects with what ended it otherwise: ERR_TIMEOUT where it hung, ERR_DISCONNECTED
   * where its thread or process ended, by itself or by `terminate`, or what it threw outside of all handlers. So it does
   * after 5 s for a thread that cannot be ended, be it still there. It may be left alone.
   */
  readonly ended: Promise<void>;
  /**
   * Closes the server and ends its thread or process. One that hangs, for `hangMilliseconds` or 5 s, is ended by force.
   *
   * @throws what the server's own `close` throws, or what had ended it before; ERR_TIMEOUT where it hung.
   */
  close(): Promise<void>;
  /**
   * Ends the thread or process wherever it is, be it in an endless loop; its clients are hung up on, and the socket's file
   * is removed. Resolves when it is gone, also where it was before.
   *
   * @throws ERR_TIMEOUT for a thread that waits in a system call, which no other thread can end: a process can be ended.
   */
  terminate(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The thread or process. */
export interface Carrier {
  /** `thread` or `process`, for messages. */
  readonly kind: string;
  /** Who hears what comes of it, be it from the author's module; called before it says anything. */
  attend(listener: (message: unknown) => void): void;
  /** What is said to one that is gone is lost. */
  post(message: HostMessage): void;
  /** Ends it wherever it is. */
  kill(): void;
  /** Resolves when it has ended: to what it threw, or null where it threw nothing, and what else is known of its end. */
  readonly gone: Promise<{ readonly error: unknown; readonly how?: string }>;
}

/**
 * Resolves when the device listens.
 *
 * @param hangMilliseconds how long it may stand still; null where it may for ever
 * @param socketFile gives, of the file that stands at the socket's path now, what removes it
 * @throws what the module or its `serve` throws, or what ended the thread or process
 */
export async function deviceApart(
  carrier: Carrier,
  path: string,
  hangMilliseconds: number | null,
  socketFile: () => () => void,
): Promise<WorkerServer> {
  const device = new DeviceApart(carrier, path, hangMilliseconds);
  await device.listening;
  device.watch(socketFile());
  return device;
}

class DeviceApart implements WorkerServer {
  readonly path: string;
  readonly listening: Promise<void>;
  readonly ended: Promise<void>;
  readonly #carrier: Carrier;
  readonly #hangMilliseconds: number | null;
  readonly #listens = Promise.withResolvers<void>();
  /** It was to end, and did not. */
  readonly #stuck = Promise.withResolvers<null>();
  /** What ended it, or what it could not close for. */
  #cause: { readonly error: unknown } | null = null;
  #closed = false;
  #watch: HangWatch | null = null;
  #closing: Promise<void> | null = null;

  constructor(carrier: Carrier, path: string, hangMilliseconds: number | null) {
    this.path = path;
    this.#carrier = carrier;
    this.#hangMilliseconds = hangMilliseconds;
    this.listening = this.#listens.promise;
    carrier.attend((message) => {
      if (isDeviceMessage(message)) this.#hear(message);
    });
    this.ended = this.#end();
    // Whoever wants to know looks at it.
    this.ended.catch(() => {});
  }

  watch(removeSocket: () => void): void {
    void this.#removeAtEnd(removeSocket);
    if (this.#hangMilliseconds !== null) this.#watchFor(this.#hangMilliseconds);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async terminate(): Promise<void> {
    this.#kill(this.#failure("ERR_DISCONNECTED", "it was terminated"));
    if ((await this.#over()) === null)
      throw this.#failure("ERR_TIMEOUT", "it waits in a system call, and cannot be ended");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** In an orderly end the file is gone before. */
  async #removeAtEnd(removeSocket: () => void): Promise<void> {
    const forget = atExit(removeSocket);
    await this.#over();
    forget();
    removeSocket();
  }

  async #end(): Promise<void> {
    const { error = null, how } = (await this.#over()) ?? {};
    this.#watch?.end();
    if (this.#closed && this.#cause === null) return;
    this.#cause ??= {
      error:
        error ??
        this.#failure("ERR_DISCONNECTED", `it ended by itself${how === undefined ? "" : `, ${how}`}`),
    };
    this.#listens.reject(this.#cause.error);
    throw this.#cause.error;
  }

  async #close(): Promise<void> {
    if (this.#watch === null) this.#watchFor(PATIENCE_MILLISECONDS);
    this.#carrier.post("close");
    await this.ended;
  }

  #watchFor(milliseconds: number): void {
    const onHang = (): void => {
      const problem = `its event loop has stood still for ${milliseconds} ms`;
      this.#kill(this.#failure("ERR_TIMEOUT", problem));
    };
    this.#watch = new HangWatch(milliseconds, () => this.#carrier.post("ping"), onHang);
  }

  #kill(error: Error): void {
    if (!this.#closed) this.#cause ??= { error };
    this.#carrier.kill();
    void this.#giveUpLate();
  }

  async #giveUpLate(): Promise<void> {
    const late = setTimeout(() => this.#stuck.resolve(null), PATIENCE_MILLISECONDS);
    await this.#carrier.gone;
    clearTimeout(late);
  }

  /** Resolves when it has ended, to how, or to null when it has not, though it should. */
  #over(): Promise<Awaited<Carrier["gone"]> | null> {
    return Promise.race([this.#carrier.gone, this.#stuck.promise]);
  }

  #hear(message: DeviceMessage): void {
    if (message.type === "failed") this.#cause ??= { error: revive(message.error, message.code) };
    else if (message.type === "listening") this.#listens.resolve();
    else if (message.type === "closed") this.#closed = true;
    else this.#watch?.pong();
  }

  #failure(code: "ERR_TIMEOUT" | "ERR_DISCONNECTED", problem: string): Error {
    return hugebarError(code, { action: `serve ${this.path} in a ${this.#carrier.kind}`, problem });
  }
}
