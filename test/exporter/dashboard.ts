/** The queries of a Grafana dashboard, as Grafana would ask them for all hosts. */

import { readFileSync } from "node:fs";
import * as v from "valibot";

const dashboardSchema = v.object({
  templating: v.object({ list: v.array(v.object({ name: v.string(), type: v.string() })) }),
  panels: v.array(
    v.object({
      id: v.number(),
      type: v.string(),
      title: v.string(),
      description: v.optional(v.string()),
      gridPos: v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() }),
      targets: v.optional(v.array(v.object({ expr: v.string(), refId: v.string() })), []),
    }),
  ),
});

export type Dashboard = v.InferOutput<typeof dashboardSchema>;

export function readDashboard(path: string): Dashboard {
  return v.parse(dashboardSchema, JSON.parse(readFileSync(path, "utf8")));
}

/** @param interval in place of Grafana's `$__rate_interval` */
export function queriesOf(
  { panels }: Dashboard,
  interval: string,
): { readonly panel: string; readonly expression: string }[] {
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expression: expr.replaceAll("$instance", ".*").replaceAll("$__rate_interval", interval),
    })),
  );
}
