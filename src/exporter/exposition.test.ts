import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exposition, wantsOpenMetrics } from "./exposition.ts";
import { gauge, type Family } from "./families.ts";

const failures: Family = {
  name: "hugebar_scan_failures_total",
  help: "Failures.",
  type: "counter",
  samples: [{ labels: {}, value: 3 }],
};

describe("exposition", () => {
  it("writes what is there, escapes what a process may be called, and leaves out what is not known", async () => {
    const mapped = gauge("hugebar_mapped_bytes", "Bytes.");
    mapped.add({ owner: 'evil"\n\\name' }, 4096);
    const unknown = gauge("hugebar_nothing", "Nothing.");
    unknown.add({}, null);
    const { text, contentType } = await exposition([mapped, unknown, failures], false);
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    assert.match(text, /^hugebar_mapped_bytes\{owner="evil\\"\\n\\\\name"\} 4096$/m);
    assert.match(text, /^hugebar_scan_failures_total 3$/m);
    assert.doesNotMatch(text, /hugebar_nothing/);
  });

  it("writes OpenMetrics, which ends with a word", async () => {
    const { text, contentType } = await exposition([failures], true);
    assert.match(contentType, /^application\/openmetrics-text/);
    assert.match(text, /^# TYPE hugebar_scan_failures counter$/m);
    assert.match(text, /\n# EOF\n$/);
  });
});

describe("wantsOpenMetrics", () => {
  it("goes by the larger weight, and by OpenMetrics where they are alike", () => {
    for (const [accept, wants] of [
      ["", false],
      ["*/*", false],
      ["text/plain", false],
      ["application/openmetrics-text;version=1.0.0,text/plain;q=0.5", true],
      ["application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.6", false],
      ["APPLICATION/OPENMETRICS-TEXT, */*;q=0.1", true],
      ["application/openmetrics-text;q=0", false],
      ["application/openmetrics-text;q=nonsense", false],
    ] as const) {
      assert.equal(wantsOpenMetrics(accept), wants, accept);
    }
  });
});
