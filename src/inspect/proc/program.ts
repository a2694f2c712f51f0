/** Which program a process runs: by its executable, its first argument, its name, and what it has mapped. */

import { basename, join } from "node:path";
import { programByFiles, programOf, programs, type Program } from "../../rules/program.ts";
import { readLinkOrNull, readTextOrNull } from "./read-file.ts";
import { RECORDED_PROGRAM } from "./recorded.ts";

/** Some 40,000 mappings; DPDK's come first of all, at low addresses. */
const MOST_MAPS = 4 * 1024 * 1024;

/**
 * A name that a process gave itself (`qemu -name process=web-01`) says less than its executable, which says nothing of a
 * program that an interpreter runs, or that was linked with DPDK.
 *
 * @param command the process's name
 */
export function readProgram(proc: string, pid: number, command: string): Program {
  const recorded = readTextOrNull(join(proc, `${pid}/${RECORDED_PROGRAM}`), 64)?.trim();
  const known = programs.find((program) => program === recorded);
  if (known !== undefined) return known;
  const names = [
    () => command,
    () => readLinkOrNull(join(proc, `${pid}/exe`)) ?? "",
    () => (readTextOrNull(join(proc, `${pid}/cmdline`)) ?? "").split("\0", 1)[0] ?? "",
  ];
  for (const name of names) {
    const program = programOf(basename(name()));
    if (program !== "other") return program;
  }
  return programByFiles(readTextOrNull(join(proc, `${pid}/maps`), MOST_MAPS) ?? "");
}
