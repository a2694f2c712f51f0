import { hugebarError } from "../errors.ts";
import { SystemCallError, type System } from "./system.ts";

/** Descriptors that something holds: each is closed once, and those that were not are known. */
export class Descriptors {
  readonly #system: System;
  readonly #open = new Set<number>();

  constructor(system: System) {
    this.#system = system;
  }

  /**
   * From now on this one's to close, also when it fails.
   *
   * @returns its number from now on: it is tied to this thread
   * @throws ERR_SYSTEM
   */
  add(fd: number): number {
    try {
      const tied = this.#system.tieToThread(fd);
      this.#open.add(tied);
      return tied;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const details = { action: "tie a file to this thread", problem: error.message };
      throw hugebarError("ERR_SYSTEM", details, error);
    }
  }

  /**
   * Closes it, unless that has been tried: Linux has closed a descriptor whatever close(2) returns, and its number may be
   * another's by now.
   */
  close(fd: number): void {
    if (this.#open.delete(fd)) this.#system.close(fd);
  }

  /** What is still open, the newest first: a device before its container. */
  get remaining(): readonly number[] {
    return [...this.#open].toReversed();
  }
}
