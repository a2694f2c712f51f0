import { constants } from "node:os";

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Interruption {
  /** Fulfilled with the exit code, 128 + n, once signal n has come. */
  readonly exitCode: Promise<number>;
  /** Stops waiting: the next signal ends the process as signals do. */
  dispose(): void;
}

/**
 * Waits for a signal that asks the tool to end, so that what it holds can be given back first. A second signal while
 * that happens ends the process at once.
 */
export function awaitInterruption(): Interruption {
  const { promise, resolve } = Promise.withResolvers<number>();
  // Signal handlers do not keep Node running; a timer does.
  const awake = setInterval(() => undefined, 2 ** 30);
  const dispose = (): void => {
    clearInterval(awake);
    for (const signal of ENDING) process.removeListener(signal, end);
  };
  const end = (signal: NodeJS.Signals): void => {
    dispose();
    resolve(128 + constants.signals[signal]);
  };
  for (const signal of ENDING) process.on(signal, end);
  return { exitCode: promise, dispose };
}
