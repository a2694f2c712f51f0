/** The stable JSON of a diagnosis (schemaVersion 1). */

import { version } from "../version.ts";
import type { Diagnosis } from "./doctor.ts";
import type { Finding } from "./finding.ts";

/** A diagnosis as programs get it, from `doctor()` and as JSON (docs/json.md). */
export interface DiagnosisReport {
  readonly schemaVersion: 1;
  /** Of hugebar. */
  readonly version: string;
  /** The machine's name; null where it is not known. */
  readonly host: string | null;
  /** When it was looked at: ISO 8601, in UTC; null where a record does not tell. */
  readonly time: string | null;
  /** `uname -r`; empty where it cannot be read, as `arch` is. */
  readonly kernel: string;
  /** `uname -m` */
  readonly arch: string;
  /** The word in brackets of `/sys/kernel/mm/transparent_hugepage/enabled`; null where it cannot be read. */
  readonly thp: "always" | "madvise" | "never" | null;
  readonly findings: readonly Omit<Finding, "leftOut">[];
}

export function diagnosisJson({ machine, host, time, findings }: Diagnosis): DiagnosisReport {
  const { kernel, arch, thp } = machine;
  // How many a point stands for is in its text.
  const said = findings.map(({ topic, state, text, todo }) => ({ topic, state, text, todo }));
  return { schemaVersion: 1, version: version(), host, time, kernel, arch, thp, findings: said };
}
