/** `hugebar demo`: a region as large as a GPU's memory, mapped for real with each strategy, without hardware. */

import { readFileSync } from "node:fs";
import { release } from "node:os";
import { setImmediate } from "node:timers/promises";
import { readHostKernel, unknownLeaves } from "../../device/leaves/host-kernel.ts";
import { isModelled } from "../../device/leaves/mapping-layout.ts";
import type { Device } from "../../device/device.ts";
import type { Region } from "../../device/region/region.ts";
import { GIB } from "../../layout/sizes.ts";
import type { Strategy } from "../../layout/strategies.ts";
import {
  demoJson,
  demoPicture,
  demoText,
  type DemoMapping,
  type DemoResult,
} from "../../report/demo-report.ts";
import { linux } from "../../system/libc.ts";
import { withDemoDevice } from "./demo-device.ts";
import { MEASURED_PART, measure, prepareMeasurement } from "./demo-measurement.ts";
import { DEMO_REGION } from "./demo-region.ts";
import { writeResult, type Output } from "../output.ts";
import { pictureFormats } from "../pictures.ts";
import { awaitInterruption } from "../signals.ts";
import type { Arguments } from "../verbs.ts";

/** Not `physical`: shared memory stands for the device, and has no physical address of its own. */
const STRATEGIES = ["none", "area", "region"] as const satisfies readonly Strategy[];

export async function run({ options }: Arguments<"demo">, output: Output): Promise<number> {
  // Not to be ended halfway, with a thread, a socket and a folder: it is over within a second anyway.
  const interruption = awaitInterruption();
  try {
    const result = await withDemoDevice(compareStrategies);
    const exitCode = await Promise.race([interruption.exitCode, setImmediate(0)]);
    if (exitCode !== 0) return exitCode;
    await writeResult(
      {
        json: () => demoJson(result),
        text: (layout) => demoText(result, layout),
        ...pictureFormats(() => demoPicture(result)),
      },
      options,
      output,
    );
    return 0;
  } finally {
    interruption.dispose();
  }
}

function compareStrategies(device: Device): DemoResult {
  const region = device.region(DEMO_REGION.index);
  const hindrance = prepareMeasurement(region);
  return {
    kernel: release(),
    region: DEMO_REGION,
    measuredBytes: MEASURED_PART.size,
    mappings: STRATEGIES.map((strategy) => tryStrategy(region, strategy, hindrance === null)),
    hindrance,
  };
}

function tryStrategy(region: Region, strategy: Strategy, measurable: boolean): DemoMapping {
  const mapping = region.map({ strategy });
  try {
    const address = mapping.areas[0]?.address ?? 0n;
    const { layout } = mapping;
    if (!isModelled(layout)) throw unknownLeaves(readHostKernel(linux));
    return {
      strategy,
      vma: vmaAt(address),
      address,
      alignment: mapping.alignment,
      alignmentReached: alignmentOf(address),
      layout,
      measurement: measurable ? measure(mapping) : null,
    };
  } finally {
    mapping.close();
  }
}

function vmaAt(address: bigint): string {
  const start = `${address.toString(16)}-`;
  const lines = readFileSync("/proc/self/maps", "utf8").split("\n");
  return lines.find((line) => line.startsWith(start)) ?? "";
}

function alignmentOf(address: bigint): number {
  return Math.min(GIB, Number(address & -address));
}
