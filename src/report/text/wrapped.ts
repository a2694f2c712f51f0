/**
 * Breaks text at blanks into lines of at most `width` columns; all but the first begin with `indent`. A word that has no
 * room in a line of its own is broken, as a terminal would.
 */
export function wrapped(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines.splice(-1, 1, `${last} ${word}`);
      continue;
    }
    let rest = last === undefined ? word : indent + word;
    const least = indent.length + 1;
    while (rest.length > Math.max(width, least)) {
      lines.push(rest.slice(0, Math.max(width, least)));
      rest = indent + rest.slice(Math.max(width, least));
    }
    lines.push(rest);
  }
  return lines;
}

/** The same as one text that ends with a line feed. */
export function paragraph({ text, width, indent = "" }: Paragraph): string {
  return wrapped(text, width, indent)
    .map((line) => `${line}\n`)
    .join("");
}

interface Paragraph {
  readonly text: string;
  readonly width: number;
  readonly indent?: string;
}
