import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import * as v from "valibot";
import { buildRelease } from "../../build/release.ts";
import { packagesInside } from "../../build/notices.ts";
import { version } from "../../src/version.ts";

const folder = mkdtempSync(join(tmpdir(), "hugebar-release-test-"));
const [one, other] = [join(folder, "one"), join(folder, "other")];

/** Without executables and their packages: those are made twice where they are tested. */
describe("a release", () => {
  before(async () => {
    for (const each of [one, other]) await buildRelease(each, []);
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is the same when it is made again", () => {
    const names = readdirSync(one).sort();
    assert.deepEqual(names, [
      "SHA256SUMS",
      `hugebar-${version()}.cdx.json`,
      `hugebar-${version()}.tgz`,
      "hugebar-planner.html",
      "hugebar.1",
      "third-party-notices.txt",
    ]);
    assert.deepEqual(readdirSync(other).sort(), names);
    for (const name of names) {
      assert.ok(readFileSync(join(one, name)).equals(readFileSync(join(other, name))), name);
    }
    assert.deepEqual(readdirSync(folder).sort(), ["one", "other"]);
  });

  it("has checksums of all that it has", () => {
    const checked = execFileSync("sha256sum", ["--check", "--strict", "SHA256SUMS"], {
      cwd: one,
      encoding: "utf8",
    });
    const names = readdirSync(one).filter((name) => name !== "SHA256SUMS");
    assert.equal(
      checked,
      names
        .sort()
        .map((name) => `${name}: OK\n`)
        .join(""),
    );
  });

  it("names what it is made of, in the versions of the lock file, and nothing else", () => {
    const text = readFileSync(join(one, `hugebar-${version()}.cdx.json`), "utf8");
    const component = v.object({ name: v.string(), version: v.string() });
    const schema = v.object({
      bomFormat: v.literal("CycloneDX"),
      serialNumber: v.pipe(
        v.string(),
        v.regex(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      ),
      metadata: v.object({ component }),
      components: v.array(component),
    });
    const { metadata, components } = v.parse(schema, JSON.parse(text));
    assert.deepEqual(metadata.component, { name: "hugebar", version: version() });
    const named = new Map(components.map((each) => [each.name, each.version]));
    assert.equal(named.get("node"), process.version.slice(1));
    const manifest = v.parse(
      v.object({
        dependencies: v.record(v.string(), v.string()),
        devDependencies: v.record(v.string(), v.string()),
      }),
      JSON.parse(readFileSync("package.json", "utf8")),
    );
    const lock = v.parse(
      v.object({ packages: v.record(v.string(), v.object({ version: v.optional(v.string()) })) }),
      JSON.parse(readFileSync("package-lock.json", "utf8")),
    );
    // Koffi's binaries are koffi's.
    const inside = [...named.keys()].filter((name) => name !== "node" && !name.startsWith("@koromix/"));
    assert.deepEqual(packagesInside(), inside.sort());
    const notices = readFileSync(join(one, "third-party-notices.txt"), "utf8");
    for (const name of inside) assert.ok(notices.includes(`\n${name} ${named.get(name)}: `), name);
    for (const name of Object.keys(manifest.dependencies)) {
      assert.equal(named.get(name), lock.packages[`node_modules/${name}`]?.version, name);
    }
    assert.deepEqual(
      Object.keys(manifest.devDependencies).filter((name) => name !== "node" && named.has(name)),
      [],
    );
  });
});
