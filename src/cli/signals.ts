import { constants } from "node:os";

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Interruption {
  /** Fulfilled with the exit code once it is time to end: 128 + n for signal n. */
  readonly exitCode: Promise<number>;
  /** That exit code once it is time to end, for who looks between two steps; null before. */
  readonly endedBy: () => number | null;
  /** Stops waiting: the next signal ends the process as signals do. */
  dispose(): void;
}

/**
 * The exit code when standard output fails: where nobody reads it any more, as if by SIGPIPE, which Node ignores and a
 * C program would die from.
 */
export function outputErrorCode(error: NodeJS.ErrnoException): number {
  return error.code === "EPIPE" ? 128 + constants.signals.SIGPIPE : 1;
}

/**
 * Waits for a signal that asks the tool to end, or for its reader to go, so that what it holds can be given back first. A second signal while
 * that happens ends the process at once.
 */
export function awaitInterruption(): Interruption {
  const { promise, resolve } = Promise.withResolvers<number>();
  let endedBy: number | null = null;
  // Signal handlers do not keep Node running; a timer does.
  const awake = setInterval(() => undefined, 2 ** 30);
  const dispose = (): void => {
    clearInterval(awake);
    process.stdout.removeListener("error", endOfOutput);
    for (const signal of ENDING) process.removeListener(signal, end);
  };
  const endBy = (exitCode: number): void => {
    dispose();
    endedBy = exitCode;
    resolve(exitCode);
  };
  const end = (signal: NodeJS.Signals): void => endBy(128 + constants.signals[signal]);
  const endOfOutput = (error: NodeJS.ErrnoException): void => endBy(outputErrorCode(error));
  for (const signal of ENDING) process.on(signal, end);
  process.stdout.on("error", endOfOutput);
  return { exitCode: promise, endedBy: () => endedBy, dispose };
}
