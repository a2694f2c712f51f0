/**
 * Debian packages without touching the machine: private apt roots, one for each set of suites, over the mirror that
 * the machine's own apt configuration names (its proxies and other `Acquire` settings apply too). No package is
 * installed; archives are fetched, verified by apt, and unpacked into the cache.
 */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { type Artefact, cacheFolder, obtain } from "./cache.ts";
import { type CommandOptions, run } from "./command.ts";

/** A suite of Debian's archive, `trixie`, or several that complete each other, `trixie trixie-backports`. */
export type Suites = string;

/** Where packages come from: suites that the archive has, and the architecture that they are for, as Debian calls it. */
export interface Source {
  readonly suites: Suites;
  readonly architecture: string;
}

/** Of this machine: `provision.ts` refuses others. */
const HOST = "amd64";

/** The names under which Debian's main archive appears; `bookworm-security` and the like are other archives. */
const mainArchive =
  /^'(.+)\/dists\/(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)\/InRelease' /m;

/** The mirror of Debian's main archive that this machine uses, and the suite it takes from there. */
function machineMirror(): { readonly uri: string; readonly suite: string } {
  const match = mainArchive.exec(run("apt-get", ["update", "--print-uris"]));
  const [, uri, suite] = match ?? [];
  if (uri === undefined || suite === undefined) {
    throw new Error(
      "apt's configuration names no mirror of Debian's main archive (apt-get update --print-uris)",
    );
  }
  return { uri, suite };
}

/** The keyring of Debian's archive on this machine; without one, apt falls back to the keys it trusts by itself. */
function machineKeyring(): string | null {
  const names = ["debian-archive-keyring.pgp", "debian-archive-keyring.gpg"];
  return names.map((name) => join("/usr/share/keyrings", name)).find((path) => existsSync(path)) ?? null;
}

/** How long fetched package lists count as current: for one round of provisioning. */
const listsLifetimeMilliseconds = 15 * 60_000;

/** The apt configuration file of the private root for this source, its package lists current. */
function openRoot({ suites, architecture }: Source, keyring: string | null): string {
  const root = join(cacheFolder(), "apt", `${suites.replaceAll(" ", "+")}-${architecture}`);
  const configuration = join(root, "apt.conf");
  const age = Date.now() - (statSync(configuration, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  if (age < listsLifetimeMilliseconds) return configuration;
  for (const folder of ["lists/partial", "archives/partial", "state"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  const signed = keyring === null ? "" : ` signed-by=${keyring}`;
  const { uri } = machineMirror();
  const sources = suites
    .split(" ")
    .map((suite) => `deb [arch=${architecture}${signed}] ${uri} ${suite} main\n`);
  writeFileSync(join(root, "sources.list"), sources.join(""));
  // Nothing counts as installed, so that the dependencies of a package are all there is to know.
  writeFileSync(join(root, "status"), "");
  const draft = `${configuration}.draft`;
  writeFileSync(draft, configurationOf(root, architecture));
  run("apt-get", ["update"], { environment: { APT_CONFIG: draft } });
  renameSync(draft, configuration);
  return configuration;
}

function configurationOf(root: string, architecture: string): string {
  return `Dir::Etc::SourceList "${root}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "${root}/state";
Dir::State::Lists "${root}/lists";
Dir::State::status "${root}/status";
Dir::Cache "${root}";
Dir::Cache::Archives "${root}/archives";
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
`;
}

/**
 * The newest keyring of Debian's archive. A machine may be older than the suites asked of it and not know their keys,
 * so the keyring package of the machine's own suite is fetched under the machine's own trust, and the other suites
 * are verified with the keys in it.
 */
const archiveKeyring: Artefact = {
  name: "archive-keyring",
  recipe: ["debian-archive-keyring of the machine's own suite"],
  make(folder) {
    const configuration = openRoot({ suites: machineMirror().suite, architecture: HOST }, machineKeyring());
    run("apt-get", ["download", "debian-archive-keyring"], {
      folder,
      environment: { APT_CONFIG: configuration },
    });
    unpack(folder, folder);
  },
};

/** The environment in which apt knows this source. */
function aptFor(source: Source): { readonly APT_CONFIG: string } {
  const keyring = join(obtain(archiveKeyring), "usr/share/keyrings/debian-archive-keyring.gpg");
  return { APT_CONFIG: openRoot(source, keyring) };
}

/** Fetches the packages and all they depend on into `folder`. */
export function fetchWithDependencies(source: Source, packages: readonly string[], folder: string): void {
  mkdirSync(join(folder, "partial"), { recursive: true });
  const count = dependenciesOf(source, ...packages).length;
  run(
    "apt-get",
    [
      "install",
      "--yes",
      "--download-only",
      "-t",
      targetOf(source.suites),
      "-o",
      `Dir::Cache::Archives=${folder}`,
      ...packages,
    ],
    { environment: aptFor(source), progress: fetching(packages, count) },
  );
}

/** Fetches just these packages into `folder`. */
export function fetchPackages(source: Source, packages: readonly string[], folder: string): void {
  run("apt-get", ["download", ...packages], {
    folder,
    environment: aptFor(source),
    progress: fetching(packages, packages.length),
  });
}

/** Apt's line for each package: `Get:7 https://… trixie/main amd64 bison amd64 2:3.8.2 [1,186 kB]`. */
function fetching(packages: readonly string[], count: number): NonNullable<CommandOptions["progress"]> {
  return { title: `packages fetched for ${packages.join(" ")}`, line: /^Get:\d+ /, expected: count };
}

/** The version of the package that this source has, its last suite first; null where the archive has none. */
export function candidateVersion(source: Source, name: string): string | null {
  const environment = aptForAny(source);
  if (environment === null) return null;
  const policy = run("apt-cache", ["policy", "-t", targetOf(source.suites), name], { environment });
  const [, version] = /^ {2}Candidate: (\S+)$/m.exec(policy) ?? [];
  return version === undefined || version === "(none)" ? null : version;
}

/** The first of these suites that the archive has, as they leave it when they get old: with packages for this machine by default. */
export function firstOf(candidates: readonly Suites[], architecture = HOST): Source {
  const sources = candidates.map((suites) => sourceOf(suites, architecture));
  const found = sources.find((source) => aptForAny(source) !== null);
  if (found === undefined) throw new Error(`This machine's mirror has none of ${candidates.join(", ")}`);
  return found;
}

/** These suites, be they in the archive or not. */
export function sourceOf(suites: Suites, architecture = HOST): Source {
  return { suites, architecture };
}

/** The suite that apt prefers of several. */
function targetOf(suites: Suites): string {
  return suites.split(" ").at(-1) ?? suites;
}

/** The environment in which apt knows this source, or null where the archive does not have all of it. */
function aptForAny(source: Source): { readonly APT_CONFIG: string } | null {
  try {
    return aptFor(source);
  } catch (error) {
    if (error instanceof Error && /does not have a Release file|404 +Not Found/.test(error.message))
      return null;
    throw error;
  }
}

/** The names of the packages that installing these would bring, their own included. */
export function dependenciesOf(source: Source, ...wanted: readonly string[]): string[] {
  const words = ["install", "--yes", "--print-uris", "-qq", "-t", targetOf(source.suites), ...wanted];
  const uris = run("apt-get", words, { environment: aptFor(source) });
  return uris
    .split("\n")
    .map((line) => /^'\S+' ([^_]+)_/.exec(line)?.[1])
    .filter((name) => name !== undefined);
}

/** Unpacks every package in `packages` into `root`, as a merged-/usr system has it, and removes the archives unless told to keep them. */
export function unpack(packages: string, root: string, { keep = false } = {}): void {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    if (!existsSync(join(root, name))) symlinkSync(`usr/${name}`, join(root, name));
  }
  const pipe = 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink';
  for (const file of readdirSync(packages).filter((name) => name.endsWith(".deb"))) {
    run("bash", ["-c", pipe, "bash", join(packages, file), root]);
    if (!keep) rmSync(join(packages, file));
  }
}

/** Fetches packages with their dependencies and unpacks them into `root`. */
export function installInto(root: string, source: Source, packages: readonly string[]): void {
  const folder = mkdtempSync(join(cacheFolder(), "draft-packages-"));
  try {
    fetchWithDependencies(source, packages, folder);
    unpack(folder, root);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
