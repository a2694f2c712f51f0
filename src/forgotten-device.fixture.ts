/** For a test: opens devices at the socket given and forgets them, each in another way; says what is held before and after. */

import { setTimeout as sleep } from "node:timers/promises";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { openDevice, SharedMemory } from "./index.ts";

const [socket = ""] = process.argv.slice(2);
const collect = globalThis.gc;
if (collect === undefined) throw new Error("run it with --expose-gc");
const warnings: string[] = [];
process.on("warning", ({ name, message }) => {
  if (name === "HugebarWarning") warnings.push(message);
});

function target(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the folder's own, closed by now
  }
}

/** Sockets and files in memory; Node itself opens others when it likes. */
function held(): { files: number; mappings: number } {
  const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
  return {
    files: readdirSync("/proc/self/fd").filter((fd) => /^socket:|^\/memfd:/.test(target(fd))).length,
    mappings: maps.filter((line) => line.includes("hugebar-device")).length,
  };
}

async function collected(count: number): Promise<void> {
  while (warnings.length < count) {
    collect?.();
    await sleep(5);
  }
}

function forgetPlainly(): void {
  openDevice(socket).region(2).map().write32(0, 7);
}

function keepView(): Uint8Array {
  return new Uint8Array(openDevice(socket).region(2).map().view(0, 4));
}

function forgetWithMemory(): SharedMemory {
  const memory = new SharedMemory(4096);
  openDevice(socket).dma.map(memory, 0n);
  return memory;
}

const before = held();
forgetPlainly();
await collected(1);
let view: Uint8Array | null = keepView();
for (let round = 0; round < 20; round += 1) {
  collect();
  await sleep(5);
}
const kept = { warnings: warnings.length, first: view[0] ?? -1, mappings: held().mappings };
view = null;
await collected(2);
const memory = forgetWithMemory();
await collected(3);
memory.close();
console.log(JSON.stringify({ before, kept, after: held(), warnings }));
