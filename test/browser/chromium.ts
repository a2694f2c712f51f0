/** The machine's own Chromium, driven by playwright-core; in continuous integration it is installed where it is missing. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chromium, type BrowserContext } from "playwright-core";
import { inContinuousIntegration } from "../left-out.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** A browser with a profile of its own, which `close` removes. */
export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/**
 * The path of Chromium, or why there is none. With CI set its absence is an error: there it is installed, from the
 * distribution's package, by the mirror that the machine's apt is set to.
 */
export function findChromium(): { readonly path: string } | { readonly missing: string } {
  const found = chromiumOnPath();
  if (found !== null) return { path: found };
  if (!inContinuousIntegration()) {
    return { missing: "no Chromium on this machine (Debian: apt-get install chromium)" };
  }
  run("apt-get", ["update"]);
  // Another test may be installing something: that is waited for.
  run("apt-get", [
    "install",
    "-o",
    "DPkg::Lock::Timeout=300",
    "--yes",
    "--no-install-recommends",
    "chromium",
  ]);
  const installed = chromiumOnPath();
  if (installed === null) throw new Error("apt-get installed chromium, and it is not on PATH");
  return { path: installed };
}

function chromiumOnPath(): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return paths.find((path) => existsSync(path)) ?? null;
}

function run(command: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? stderr}`);
  }
}

/** Starts Chromium without a window, with a new profile, and with everything off that would use a network by itself. */
export async function startChromium(path: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "hugebar-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: path,
    headless: true,
    viewport: { width: 1280, height: 1000 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return {
    context,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
