/** Metrics in the two text formats that Prometheus reads. */

import { Counter, Gauge, openMetricsContentType, Registry, type OpenMetricsContentType } from "prom-client";
import { version } from "../version.ts";
import { gauge, type Family } from "./families.ts";

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/** @param openMetrics whether as OpenMetrics; else in Prometheus' own format, that of the textfile collector too */
export async function exposition(families: readonly Family[], openMetrics: boolean): Promise<Exposition> {
  const build = gauge("hugebar_build_info", "The version of hugebar; the value is 1.");
  build.add({ version: version() }, 1);
  return render(registryOf(openMetrics), [build, ...families]);
}

type AnyRegistry = Registry<OpenMetricsContentType> | Registry;

function registryOf(openMetrics: boolean): AnyRegistry {
  if (!openMetrics) return new Registry();
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(openMetricsContentType);
  return registry;
}

async function render(registry: AnyRegistry, families: readonly Family[]): Promise<Exposition> {
  for (const { name, help, type, samples } of families) {
    // A metric without labels would be 0 by itself.
    if (samples.length === 0) continue;
    const labelNames = Object.keys(samples[0]?.labels ?? {});
    const options = { name, help, labelNames, registers: [registry] };
    if (type === "gauge") {
      const metric = new Gauge(options);
      for (const { labels, value } of samples) metric.set(labels, value);
    } else {
      const metric = new Counter(options);
      for (const { labels, value } of samples) metric.inc(labels, value);
    }
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/** Whether a scraper that accepts these types wants OpenMetrics (RFC 9110, section 12.5.1: the larger weight wins). */
export function wantsOpenMetrics(accept: string): boolean {
  let [open, plain] = [0, 0];
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const weight = Number(
      /^q=([01](?:\.\d{0,3})?)$/.exec(parameters.find((each) => each.startsWith("q=")) ?? "q=1")?.[1] ?? 0,
    );
    if (type === "application/openmetrics-text") open = Math.max(open, weight);
    else if (type === "text/plain" || type === "*/*") plain = Math.max(plain, weight);
  }
  return open > 0 && open >= plain;
}
