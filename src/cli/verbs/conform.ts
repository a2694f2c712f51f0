/** `hugebar conform`: whether this kernel gives a device's memory the leaves that it should. */

import { openObserver } from "../../conform/observer.ts";
import { openSubject } from "../../conform/open-subject.ts";
import {
  findAllowance,
  POINTS,
  runPoints,
  type ConformReport,
  type ConformSubject,
} from "../../conform/conform.ts";
import { readHostKernel } from "../../device/leaves/host-kernel.ts";
import { conformJson, ktap, ktapBailOut, ktapEnd, ktapHead, ktapPoint } from "../../report/conform-report.ts";
import { linux } from "../../system/libc.ts";
import { openNamedDevice } from "../opened-device.ts";
import { writeResult, type Output } from "../output.ts";
import { awaitInterruption } from "../signals.ts";
import { parseIndex } from "../values.ts";
import type { Arguments } from "../verbs.ts";

export async function run(args: Arguments<"conform">, output: Output): Promise<number> {
  const { options } = args;
  const index = parseIndex("--region", options.region);
  const device = openNamedDevice(args);
  try {
    const subject = openSubject(device, index, { touchRegisters: options["touch-registers"] }, linux);
    const { release, arch } = readHostKernel(linux);
    const observer = openObserver(linux, subject.model, arch);
    const allowance = findAllowance(subject, observer);
    const about: ConformSubject = {
      release,
      model: subject.model.name,
      device: device.name,
      region: { index, size: subject.size, physical: subject.physical, kind: subject.kind },
      evidence: observer.evidence,
      because: observer.because,
      advice: allowance.advice === null ? null : "MADV_HUGEPAGE",
    };
    // As the kernel's own tests do: what was found stands there although the kernel fell over the next point.
    const isStreamed = !options.json && (options.output ?? "-") === "-";
    const bailOut = (because: string): void => {
      if (isStreamed) output.write(ktapBailOut(because));
    };
    const progress = output.progress("testing");
    const interruption = awaitInterruption();
    try {
      if (isStreamed) output.write(ktapHead(about, POINTS.length));
      const points = await runPoints(subject, observer, {
        allowance,
        riskOops: options["risk-oops"],
        progress: progress.tick,
        isOver: () => interruption.endedBy() !== null,
        ...(isStreamed ? { tried: (point, at) => output.write(ktapPoint(point, at)) } : {}),
      });
      progress.end();
      const endedBy = interruption.endedBy();
      if (endedBy !== null) {
        bailOut("told to end");
        return endedBy;
      }
      const report: ConformReport = { ...about, points };
      if (isStreamed) output.write(ktapEnd(points));
      else await writeResult({ json: () => conformJson(report), text: () => ktap(report) }, options, output);
      if (points.some(({ outcome }) => outcome === "falls-short")) return 1;
      return points.some(({ outcome }) => outcome === "not-judged") ? 4 : 0;
    } catch (error) {
      bailOut(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      interruption.dispose();
      progress.end();
      observer.close();
    }
  } finally {
    device.close();
  }
}
