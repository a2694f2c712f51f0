/** Something that could not be found out. */
export interface Unknown {
  /** A phrase behind "cannot tell". */
  readonly what: string;
  /** Whether it is refused to this process, so that others with more rights would know; else the kernel tells nobody. */
  readonly isRefused: boolean;
}

/** What looking for uses comes to. */
export interface Findings {
  /** Each is a phrase for a message: `/dev/nvme0n1p2 is mounted on /home`. */
  readonly uses: readonly string[];
  readonly unknown: readonly Unknown[];
}

/** Names of files, mount points and commands can hold anything; a message is one line. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "?");
}

export function allFindings(parts: readonly Findings[]): Findings {
  return {
    uses: [...new Set(parts.flatMap(({ uses }) => uses.map(oneLine)))],
    unknown: eachOnce(parts.flatMap(({ unknown }) => unknown)),
  };
}

/** Several devices and disks leave the same unknown. */
export function eachOnce(unknown: readonly Unknown[]): Unknown[] {
  return [...new Map(unknown.map((each) => [each.what, each])).values()];
}
