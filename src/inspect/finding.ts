/** One point of the examination. */
export interface Finding {
  readonly topic: "kernel" | "thp" | "iommu" | "device" | "process";
  /** `problem`: something falls short. `note`: worth knowing, or not to be found out. */
  readonly state: "good" | "note" | "problem";
  readonly text: string;
  /** What to do about it; null where there is nothing to do. */
  readonly todo: string | null;
}
