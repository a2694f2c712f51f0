import { spawnSync } from "node:child_process";

/**
 * Runs `measure` with this thread, and the programs it starts, on one processor. Who talks over a socket costs its peer
 * the waking of an idle processor if the scheduler puts the two apart: 60 µs on a virtual machine, against 4 µs for the
 * round trip itself. That is luck, run by run, and says nothing about either side. Without taskset it stays luck.
 */
export async function onOneProcessor<Result>(measure: () => Promise<Result>): Promise<Result> {
  const all = processors();
  const last = all?.split(/[,-]/).at(-1);
  if (all === null || last === undefined) return measure();
  setProcessors(last);
  try {
    return await measure();
  } finally {
    setProcessors(all);
  }
}

/** Those that this thread may run on, as taskset lists them (`0-3,8`); null without taskset. */
function processors(): string | null {
  const { stdout, status } = spawnSync("taskset", ["-pc", String(process.pid)], { encoding: "utf8" });
  return status === 0 ? (/: (\S+)$/.exec(stdout.trim())?.[1] ?? null) : null;
}

function setProcessors(list: string): void {
  spawnSync("taskset", ["-pc", list, String(process.pid)]);
}
