/** What looking for uses comes to. */
export interface Findings {
  /** Each is a phrase for a message: `/dev/nvme0n1p2 is mounted on /home`. */
  readonly uses: readonly string[];
  /** What could not be found out, each a phrase behind "cannot tell". */
  readonly unknown: readonly string[];
}

/** Names of files, mount points and commands can hold anything; a message is one line. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "?");
}

export function allFindings(parts: readonly Findings[]): Findings {
  return {
    uses: [...new Set(parts.flatMap(({ uses }) => uses.map(oneLine)))],
    unknown: [...new Set(parts.flatMap(({ unknown }) => unknown))],
  };
}
