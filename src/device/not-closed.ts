/** What is said and done where nobody closed a device. */

/** Names where it was opened: a process warning, which each program sees unless it turned them off. */
export function warnNotClosed(what: string, where: string): void {
  process.emitWarning(`${what}; it was opened ${where}`, {
    type: "HugebarWarning",
    code: "HUGEBAR_NOT_CLOSED",
    detail: "Its files and mappings were given back now. Close devices, or hold them with `using`.",
  });
}

/** Nobody is left to be told, and the rest must go on. */
export function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // what the kernel refuses stays until the process ends
  }
}
