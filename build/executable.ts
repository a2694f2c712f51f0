/**
 * Makes the standalone executable, Node's single executable application: `node build/executable.ts [--arch x64|arm64]
 * [--output FILE]`. It is the pinned Node, stripped, with our modules and koffi's binary inside; another architecture's
 * Node and koffi come from the registry, in the versions that package-lock.json names for this one.
 */

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build, type Plugin } from "esbuild";
import * as v from "valibot";
import { version } from "../src/version.ts";
import { pageScriptModule } from "./page-script-module.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** What takes a place of its own in the executable, by the file whose place it is. */
const REPLACED = new Map([
  [join(root, "src/system/own-modules.ts"), join(root, "build/executable/own-modules.ts")],
  [join(root, "src/system/koffi.ts"), join(root, "build/executable/koffi.ts")],
]);
/** What is known when it is built, and asked of files elsewhere. */
const WRITTEN = new Map([
  [join(root, "src/version.ts"), () => `export const version = () => ${JSON.stringify(version())};`],
  [join(root, "src/report/page/page-script.ts"), pageScriptModule],
]);

const replacing: Plugin = {
  name: "hugebar-executable",
  setup(builder) {
    builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const written = WRITTEN.get(path);
      if (written !== undefined) return { contents: written(), loader: "js" };
      const other = REPLACED.get(path);
      if (other === undefined) return null;
      return { contents: readFileSync(other, "utf8"), loader: "ts", resolveDir: dirname(path) };
    });
  },
};

/**
 * Node's own modules, each loaded when the first of ours that imports it runs: imports of one file are loaded all at its
 * start, and some of Node's take long (`node:http` brings its client for the web). CommonJS packages require them so, too.
 */
const nodeModules: Plugin = {
  name: "hugebar-node-modules",
  setup(builder) {
    builder.onResolve({ filter: /./ }, ({ path }) =>
      isBuiltin(path) ? { path, namespace: "node", sideEffects: false } : null,
    );
    builder.onLoad({ filter: /./, namespace: "node" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      loader: "js",
    }));
  },
};

/** One module with all that it imports, but for Node's own. */
async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node22.18",
    // V8 reads a text of one byte a character in half the time.
    charset: "ascii",
    minifySyntax: true,
    minifyWhitespace: true,
    write: false,
    // Nothing lies beside an executable.
    define: { "import.meta.url": '"hugebar:executable"' },
    plugins: [replacing, nodeModules],
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`esbuild made nothing of ${entry}`);
  return file.text;
}

/** The modules that run in threads of their own, by the names under which they are started. */
const THREADS: Readonly<Record<string, string>> = {
  "scan-worker": "src/inspect/proc/scan-worker.ts",
  "doorbell-worker": "src/system/doorbell-worker.ts",
  "serve-worker": "src/vfio-user/server/serve-worker.ts",
  "demo-worker": "src/cli/verbs/demo-worker.ts",
};

interface Parts {
  readonly node: string;
  readonly koffi: string;
}

const manifestSchema = v.object({ version: v.string() });

function versionOf(name: string): string {
  const text = readFileSync(join(root, "node_modules", name, "package.json"), "utf8");
  return v.parse(manifestSchema, JSON.parse(text)).version;
}

/** Node and koffi's binary for an architecture: this machine's own are installed, others' are fetched. */
function partsFor(arch: string, folder: string): Parts {
  const koffi = (modules: string): string =>
    join(modules, `@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`);
  if (arch === process.arch) {
    return { node: process.execPath, koffi: koffi(join(root, "node_modules")) };
  }
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const wanted = [
    `node-linux-${arch}@${versionOf("node")}`,
    `@koromix/koffi-linux-${arch}@${versionOf("koffi")}`,
  ];
  execFileSync("npm", ["install", "--force", "--no-audit", "--no-fund", "--ignore-scripts", ...wanted], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const modules = join(folder, "node_modules");
  return { node: join(modules, `node-linux-${arch}/bin/node`), koffi: koffi(modules) };
}

/** Debian's names of the strip programs. */
const STRIP: Readonly<Record<string, string>> = {
  x64: "x86_64-linux-gnu-strip",
  arm64: "aarch64-linux-gnu-strip",
};

export interface ExecutableOptions {
  readonly arch: string;
  readonly output: string;
}

export async function buildExecutable({ arch, output }: ExecutableOptions): Promise<void> {
  const strip = STRIP[arch];
  if (strip === undefined) throw new Error(`There is no executable for ${arch}: x64 and arm64 there are`);
  const folder = mkdtempSync(join(tmpdir(), "hugebar-executable-"));
  try {
    const { node, koffi } = partsFor(arch, folder);
    execFileSync(strip, ["-o", join(folder, "node"), node]);
    copyFileSync(koffi, join(folder, "koffi.node"));
    writeFileSync(join(folder, "main.mjs"), await bundle("build/executable/main.ts"));
    const assets: Record<string, string> = { "koffi.node": "koffi.node" };
    for (const [name, entry] of Object.entries(THREADS)) {
      writeFileSync(join(folder, `${name}.js`), await bundle(entry));
      assets[`${name}.js`] = `${name}.js`;
    }
    // Relative names: they end up in the executable, which is the same each time.
    const configuration = {
      main: "main.mjs",
      mainFormat: "module",
      executable: "node",
      output: "hugebar",
      disableExperimentalSEAWarning: true,
      // A tool that root runs takes no options of Node's from the environment.
      execArgvExtension: "none",
      assets,
    };
    writeFileSync(join(folder, "sea.json"), JSON.stringify(configuration));
    execFileSync(process.execPath, ["--build-sea", "sea.json"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
    mkdirSync(dirname(output), { recursive: true });
    copyFileSync(join(folder, "hugebar"), output);
    chmodSync(output, 0o755);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { arch: { type: "string", default: process.arch }, output: { type: "string" } },
  });
  const output = resolve(values.output ?? `dist/executable/hugebar-linux-${values.arch}`);
  await buildExecutable({ arch: values.arch, output });
  process.stdout.write(`${output}\n`);
}
