/**
 * Virtual machines that come and go until this process is killed, each with a mapping of the BAR and slots at chance addresses:
 * `node come-and-go.ts`. Says `.` for each that was.
 */

import { GIB, KIB, MIB } from "../../../../src/layout/sizes.ts";
import { guestAddressOf, layShape } from "./laid-shape.ts";
import type { ShapedSlot } from "./shapes.ts";

const sizes = [4 * KIB, 2 * MIB, 34 * MIB, GIB, 2 * GIB];
const shifts = [0, 4 * KIB, 2 * MIB, 512 * MIB];

function oneOf(values: readonly number[]): number {
  return values[Math.floor(Math.random() * values.length)] ?? 0;
}

for (;;) {
  const cleanups: (() => void)[] = [];
  const size = oneOf(sizes);
  const slot: ShapedSlot = { offset: 0, size, guest: oneOf(shifts) };
  const { monitor } = layShape(
    { after: (cleanup) => void cleanups.push(cleanup) },
    { host: oneOf(shifts), areas: [{ offset: 0, size }], slots: [slot] },
  );
  const start = (2 * MIB - (Number(guestAddressOf(slot)) % (2 * MIB))) % (2 * MIB);
  const times = Math.floor((size - start) / (2 * MIB));
  if (times > 0) monitor.touch(guestAddressOf(slot) + BigInt(start), 2 * MIB, times);
  for (const cleanup of cleanups) cleanup();
  process.stdout.write(".");
}
