/** Options that several verbs have, said once. */

export const help = { type: "boolean", short: "h", summary: "show this help and exit" } as const;
export const json = { type: "boolean", short: "j", summary: "print JSON instead of text" } as const;
export const quiet = { type: "boolean", short: "q", summary: "no messages but errors" } as const;
export const output = {
  type: "string",
  short: "o",
  value: "FILE",
  completes: "file",
  formats: ["json", "txt"],
  summary: "write to FILE instead of standard output (-); .json gives JSON, .txt text",
} as const;
export const pictureOutput = {
  ...output,
  formats: ["json", "svg", "html", "txt"],
  summary:
    "write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text",
} as const;
export const inspectionOutput = {
  ...output,
  formats: ["json", "svg", "html", "prom", "txt"],
  summary:
    "write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .prom metrics, .txt text",
} as const;

export const sys = {
  type: "string",
  value: "ROOT",
  completes: "file",
  summary: "read ROOT instead of /sys: a recorded machine",
} as const;
export const proc = {
  type: "string",
  value: "ROOT",
  completes: "file",
  summary: "read ROOT instead of /proc: a recorded machine",
} as const;

export const STRATEGIES = ["none", "area", "region", "physical"] as const;
