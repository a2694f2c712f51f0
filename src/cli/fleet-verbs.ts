/** The verbs for many hosts. */

import { help, proc, quiet, sys } from "./common-options.ts";
import type { Verb } from "../report/manual/verb.ts";

export const FLEET_VERBS = {
  exporter: {
    summary: "serve what inspect finds as metrics for Prometheus",
    operands: [],
    options: {
      listen: {
        type: "string",
        value: "ADDRESS",
        summary: "where: ADDRESS:PORT, unix:PATH, or systemd for a socket unit's; 127.0.0.1:9741 if left out",
      },
      interval: {
        type: "string",
        value: "SECONDS",
        summary: "scan at most this often, however many ask; 15 if left out",
      },
      limit: { type: "string", value: "SECONDS", summary: "end a scan that takes longer; 8 if left out" },
      faults: {
        type: "boolean",
        summary: "count page faults on device memory too, in the kernel: as root, with tracefs",
      },
      "web.config.file": {
        type: "string",
        value: "FILE",
        completes: "file",
        summary: "TLS and passwords, in the file that Prometheus' exporters share",
      },
      proc,
      sys,
      quiet,
      help,
    },
    details: [
      "Answers /metrics in Prometheus' text format or as OpenMetrics, whichever the scraper prefers, and /healthz with ok. Scans when it is asked, in a process of its own, so that one that hangs is ended and counted and takes nothing with it.",
      "--faults has the kernel count page faults by leaf size and result, in a trace instance of its own that is gone when the exporter ends. Where that is not allowed or not there, it says why, hugebar_faults_traced is 0, and it tries again each minute.",
      "No address and no process number is a label, but in hugebar_owner_info: series outlive the processes.",
      "For hosts that run node_exporter, hugebar inspect -o FILE.prom writes the same for its textfile collector.",
    ],
    examples: [
      { command: "hugebar exporter", shows: "metrics at http://127.0.0.1:9741/metrics" },
      {
        command: "hugebar inspect -o /var/lib/prometheus/node-exporter/hugebar.prom",
        shows: "a file for node_exporter's textfile collector",
      },
    ],
  },
} as const satisfies Record<string, Verb>;
