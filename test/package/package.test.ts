import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { after, describe, it } from "node:test";
import * as v from "valibot";
import { installPackage, root } from "./packed.ts";
import { missingConstants, publicNames, unnameableTypes } from "./public-types.ts";

/** The oldest Node that will do, the newest between, and the newest that is tested. */
const NODES = ["22.18.0", "24", "26"];

/** What a program of a user's does first: a plan, an error of the table, a device served and mapped. */
const PROGRAM = `
  import assert from "node:assert/strict";
  import { mkdtempSync, rmSync } from "node:fs";
  import { openDevice, planRegion, pagingModels, serveInWorker } from "hugebar";

  assert.ok(planRegion.length > 0 && Object.keys(pagingModels).length > 0);
  assert.throws(() => openDevice("nonsense"), { code: /^ERR_/ });
  const folder = mkdtempSync("/tmp/hugebar-installed-");
  const socket = folder + "/gpu.sock";
  const server = await serveInWorker(new URL("./device.mjs", import.meta.url), { socket });
  const device = openDevice("vfio-user:" + socket);
  const bar = device.region(2).map();
  bar.write32(0x1000, 0xcafe);
  console.log(bar.read32(0x1000).toString(16), bar.base % (1n << 30n));
  bar.close();
  device.close();
  await server.close();
  rmSync(folder, { recursive: true });
`;
const DEVICE = `
  import { serveDevice } from "hugebar";
  export const serve = ({ socket }) =>
    serveDevice({ regions: [{ index: 2, size: 4 * 2 ** 30, memory: "sparse" }] }, { socket });
`;

/** A module that uses the types as a strict program does, which has neither Node's nor the browser's. */
const TYPED = `
  import { openDevice, serveDevice, type DeviceServer, type Mapping } from "hugebar";
  export function map(name: string): Mapping {
    using device = openDevice(name);
    return device.region(2).map({ strategy: "region" });
  }
  export const server = (socket: string): DeviceServer => serveDevice({ regions: [] }, { socket });
`;

const manifestSchema = v.object({ man: v.array(v.string()) });

describe("the npm package", () => {
  const { files, project, remove } = installPackage();
  after(remove);

  it("has what it is made of, and nothing that is made from what it has not", () => {
    for (const path of [
      "package.json",
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "dist/index.d.ts",
      "docs/hugebar.1",
    ]) {
      assert.ok(files.has(path), `no ${path}`);
    }
    for (const path of files.keys()) {
      assert.doesNotMatch(path, /\.map$|\.test\.|\.fixture\.|^(?:src|test|bench)\/|page\/browser/, path);
      assert.doesNotMatch(path, /^dist\/(?:executable|packages|release)\//, path);
    }
    assert.equal((files.get("dist/cli/main.js")?.mode ?? 0) & 0o111, 0o111, "npx runs it");
  });

  it("links only to what is in it, or elsewhere by a full address", () => {
    for (const page of [...files.keys()].filter((path) => path.endsWith(".md"))) {
      const text = readFileSync(join(root, page), "utf8");
      for (const [, target = ""] of text.matchAll(/\]\((?!https:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
        const path = posix.join(posix.dirname(page), target);
        assert.ok(files.has(path), `${page} links to ${path}, which is not in the package`);
      }
    }
  });

  it("brings a man page where npm looks for one", () => {
    const { man } = v.parse(manifestSchema, JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
    assert.ok(man.length > 0);
    for (const page of man) assert.ok(files.has(page));
  });

  it("exports every type that a public signature mentions, and the constants that a docstring sends to", () => {
    const dist = join(project, "node_modules/hugebar/dist");
    assert.ok(publicNames(dist).length > 90);
    assert.deepEqual(unnameableTypes(dist), []);
    assert.deepEqual(missingConstants(dist), []);
  });

  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    it(`has types for a strict program without types of Node, resolved as by ${moduleResolution}`, () => {
      writeFileSync(join(project, "typed.ts"), TYPED);
      const options = { module, moduleResolution, target: "es2024", lib: ["es2024", "esnext.disposable"] };
      const strict = {
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        types: [],
      };
      writeFileSync(
        join(project, "tsconfig.json"),
        JSON.stringify({ compilerOptions: { ...options, ...strict }, include: ["typed.ts"] }),
      );
      const { stdout, status } = spawnSync(
        process.execPath,
        [join(root, "node_modules/typescript/bin/tsc"), "-p", project],
        {
          encoding: "utf8",
        },
      );
      assert.equal(status, 0, stdout);
    });
  }

  for (const version of NODES) {
    it(`maps a served device under Node ${version}, and its tool answers`, () => {
      writeFileSync(join(project, "program.mjs"), PROGRAM);
      writeFileSync(join(project, "device.mjs"), DEVICE);
      const node = ["exec", "--yes", `--package=node@${version}`, "--", "node"];
      const run = (...words: string[]): string =>
        execFileSync("npm", [...node, ...words], { cwd: project, encoding: "utf8" });
      assert.match(run("--version"), new RegExp(`^v${version.replaceAll(".", "\\.")}`));
      assert.equal(run("program.mjs"), "cafe 0n\n");
      assert.match(run("node_modules/hugebar/dist/cli/main.js", "--version"), /^hugebar \d/);
      const page = run("node_modules/hugebar/dist/cli/main.js", "plan", "--size", "8G", "-o", "plan.html");
      assert.equal(page, "");
      assert.match(readFileSync(join(project, "plan.html"), "utf8"), /<script/);
    });
  }
});
