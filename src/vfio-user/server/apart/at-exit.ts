/** What is to be done when this process exits, by one listener: a process with many of them warns of a leak. */

const steps = new Set<() => void>();

function doAll(): void {
  for (const step of steps) step();
}

/** Does `step` at the exit, after those before it, unless the function that is returned is called first. */
export function atExit(step: () => void): () => void {
  if (steps.size === 0) process.on("exit", doAll);
  steps.add(step);
  return () => {
    if (steps.delete(step) && steps.size === 0) process.off("exit", doAll);
  };
}
