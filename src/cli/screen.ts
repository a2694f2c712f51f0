/** Results that are shown again and again on a terminal, each over the one before. */

/**
 * What takes the place of all that a terminal shows: cursor home, then clear to the end, which does not flicker as
 * clearing first does. What has no room below is left out, or the screen would scroll.
 *
 * @param rows lines that the terminal has; 0 where it does not tell
 */
export function screenful(text: string, rows: number): string {
  const lines = text.trimEnd().split("\n");
  const room = rows === 0 ? 24 : rows;
  const isWhole = lines.length < room;
  const hidden = lines.length - (room - 2);
  const shown = isWhole ? lines : [...lines.slice(0, room - 2), `(${hidden} more lines)`];
  return `\x1b[H\x1b[J${shown.join("\n")}\n`;
}
