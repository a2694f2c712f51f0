/** What stands behind a connection, and what it sees of it. */

import type { HugebarError } from "../../../errors.ts";
import { DeviceError } from "../../wire/device-error.ts";
import type { Message } from "./message-reader.ts";
import type { ReplyMessage } from "./reply-message.ts";

/** A value now or later. A later one holds up the client that asked, and nobody else. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** Carries out requests for one client. */
export interface Session {
  /** The client has told its version. */
  readonly begun: boolean;
  /**
   * Carries out a request and writes its reply; a thrown error becomes the reply's errno. Descriptors that it keeps it
   * takes out of the message; the others are closed.
   */
  handle(request: Message, reply: ReplyMessage): MaybePromise<void>;
  /**
   * The client is gone: with an error where something was under way, with null where it left in order. Resolves when
   * nothing of it is left, so that another one may come.
   */
  close(error: HugebarError | null): Promise<void>;
}

/** Sends the client a command, whose payload is asked for when its turn comes; resolves to the payload of its reply. */
export type Ask = (action: string, command: number, payload: () => Uint8Array) => Promise<Uint8Array>;

/** What a session can do to its client. */
export interface ClientLink {
  readonly ask: Ask;
  /**
   * From now on commands go over a socket of their own. Returns the client's end of it, to be passed along with the
   * reply that is being made, and closed here when that is sent.
   */
  openTwin(): number;
}

/** A request that ends the connection: after its error reply the server hangs up. */
export class FatalRequest extends DeviceError {}
