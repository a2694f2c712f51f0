/** `hugebar doctor`: what on this machine keeps device memory from huge pages, and what to do. */

import { diagnose } from "../../inspect/doctor.ts";
import { diagnosisText } from "../../report/text/diagnosis-text.ts";
import { machineRoots } from "../machine-roots.ts";
import { writeResult, type Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

export async function run({ options }: Arguments<"doctor">, output: Output): Promise<number> {
  const diagnosis = diagnose(machineRoots(options));
  const { machine, findings, refused } = diagnosis;
  await writeResult(
    {
      json: () => ({
        schemaVersion: 1,
        kernel: machine.kernel,
        arch: machine.arch,
        thp: machine.thp,
        findings,
      }),
      text: (width, colour) => diagnosisText(diagnosis, width, colour),
    },
    options,
    output,
  );
  // As `inspect --check` has it.
  if (findings.some(({ state }) => state === "problem")) return 1;
  return refused > 0 ? 4 : 0;
}
