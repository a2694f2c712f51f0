/** `hugebar doctor`: what on this machine keeps device memory from huge pages, and what to do. */

import { diagnosisJson } from "../../inspect/diagnosis-json.ts";
import { diagnose } from "../../inspect/doctor.ts";
import { diagnosisText } from "../../report/text/diagnosis-text.ts";
import { rootsAt } from "../../inspect/proc/roots.ts";
import { writeResult, type Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

export async function run({ options }: Arguments<"doctor">, output: Output): Promise<number> {
  const diagnosis = diagnose(rootsAt(options, "--"));
  const { findings, outcome } = diagnosis;
  await writeResult(
    {
      json: () => diagnosisJson(diagnosis),
      text: (layout) => diagnosisText(diagnosis, layout),
    },
    options,
    output,
  );
  // As `inspect --check` has it.
  if (findings.some(({ state }) => state === "problem")) return 1;
  return outcome.exitCode;
}
