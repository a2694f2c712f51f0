/**
 * What the name of a kernel's release tells, `uname -r`: how far it follows upstream, and whose it is. Three kinds of names:
 * upstream's own and those that build it unchanged, whose numbers decide either way; those whose last number is upstream's,
 * with changes of others on top, which have all that number stands for and perhaps more; and those whose distribution
 * stopped counting at x.y.0 (Ubuntu, Red Hat, SUSE's enterprise kernels), which have all of x.y.0 and perhaps much more.
 */

/** Whose kernel it is, as far as the name tells; `other` is anyone's. */
export type Distribution =
  | "upstream"
  | "debian"
  | "ubuntu"
  | "ubuntu-mainline"
  | "nvidia"
  | "redhat"
  | "fedora"
  | "oracle"
  | "suse"
  | "opensuse"
  | "amazon"
  | "proxmox"
  | "wsl"
  | "raspberry-pi"
  | "arch"
  | "other";

export interface KernelRelease {
  readonly distribution: Distribution;
  /** 6.12 is 6_012. */
  readonly series: number;
  /** The stable release that it has at least; null where the name does not tell and the series' newest may be in it. */
  readonly patch: number | null;
  /** The number of a release candidate; null for a release. */
  readonly candidate: number | null;
  /** Built from upstream's source with few changes: what that release has not, it has not either. */
  readonly faithful: boolean;
}

interface NamedBy {
  readonly distribution: Distribution;
  /** What follows the three numbers. */
  readonly rest: RegExp;
  readonly faithful?: true;
  /** The last number says nothing: x.y.0 whatever is in it. */
  readonly frozen?: true;
}

const ARCHITECTURES = "amd64|arm64|armmp|686|686-pae|i386|ppc64el|riscv64|s390x|loong64";

/** In this order: the first that fits. Examples of each are in the test. */
const NAMES: readonly NamedBy[] = [
  { distribution: "upstream", rest: /^(?:-rc\d+)?$/, faithful: true },
  // Debian builds stable releases with few changes. 6.12.107+deb13-amd64 was seen to behave as 6.12.107 does.
  { distribution: "debian", rest: /^\+(?:deb\d+|bpo)(?:[.+]\d+)?(?:-[a-z0-9-]+)?$/, faithful: true },
  { distribution: "debian", rest: RegExp(`^-rc\\d+(?:-[a-z]+)*-(?:${ARCHITECTURES})$`), faithful: true },
  // Until Debian 12: 6.1.0-47-amd64 counts the changes of the interface, and is some 6.1.y.
  {
    distribution: "debian",
    rest: RegExp(`^-\\d+(?:-[a-z]+)*-(?:${ARCHITECTURES})$`),
    faithful: true,
    frozen: true,
  },
  // Upstream's source in a package: 6.13.4-061304-generic, 6.13.0-061300rc3-generic.
  { distribution: "ubuntu-mainline", rest: /^-0\d{5}(?:rc\d+)?-[a-z0-9-]+$/, faithful: true },
  { distribution: "nvidia", rest: /^-\d+-nvidia[a-z0-9-]*$/, frozen: true },
  { distribution: "nvidia", rest: /^(?:-\d+)?-tegra$/ },
  { distribution: "oracle", rest: /^-[0-9.]+\.el\d+u?ek/, frozen: true },
  { distribution: "redhat", rest: /^-[0-9.]+\.el\d+/, frozen: true },
  { distribution: "amazon", rest: /^-[0-9.]+\.amzn\d+/ },
  { distribution: "fedora", rest: /^-(?:0\.rc\d+\.)?[0-9a-z.]+\.fc\d+/ },
  // Enterprise kernels carry a product's six digits: 6.4.0-150600.23.38-default, 6.12.0-160000.7-default.
  { distribution: "suse", rest: /^-\d{6}\.[0-9.]+-[a-z0-9-]+$/, frozen: true },
  { distribution: "opensuse", rest: /^-(?:rc\d+-)?\d+(?:\.[0-9a-z]+)*-default$/ },
  // On Ubuntu's kernel, but its three numbers are those of upstream's release in it.
  { distribution: "proxmox", rest: /^-\d+-pve$/ },
  { distribution: "wsl", rest: /^(?:\.\d+)?-microsoft-standard/ },
  { distribution: "raspberry-pi", rest: /^(?:\+rpt[a-z0-9-]*|-v(?:7|7l|8)(?:-16k)?\+?)$/ },
  { distribution: "arch", rest: /^-(?:(?:arch|zen|hardened)\d+-\d+(?:-[a-z]+)?|\d+-lts)$/ },
  { distribution: "ubuntu", rest: /^-\d+-[a-z][a-z0-9-]*$/, frozen: true },
];

/**
 * Takes the name of a release apart; null where it does not begin with a version.
 *
 * @param name as `uname -r` and /proc/sys/kernel/osrelease give it
 *
 * @example
 * parseRelease("6.8.0-87-generic"); // { distribution: "ubuntu", series: 6008, patch: 0, candidate: null, faithful: false }
 */
export function parseRelease(name: string): KernelRelease | null {
  const found = /^(?<major>\d{1,3})\.(?<minor>\d{1,3})(?:\.(?<patch>\d{1,5}))?(?<rest>\D.*)?$/.exec(
    name,
  )?.groups;
  if (found === undefined) return null;
  const { major, minor, patch = "0", rest = "" } = found;
  // A string of NAMES' own: no name is longer, and no expression has to look at more.
  const named = rest.length <= 128 ? NAMES.find((each) => each.rest.test(rest)) : undefined;
  const faithful = named?.faithful === true;
  const candidate = /^[-~](?:0\.|0\d{5})?rc(\d{1,3})(?:\D|$)/.exec(rest)?.[1];
  return {
    distribution: named?.distribution ?? "other",
    series: Number(major) * 1000 + Number(minor),
    patch: faithful && named?.frozen === true ? null : named?.frozen === true ? 0 : Number(patch),
    candidate: candidate === undefined ? null : Number(candidate),
    faithful,
  };
}
