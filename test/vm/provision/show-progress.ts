/**
 * Stands behind a program that takes long and counts lines of what it prints: `show-progress.ts TITLE PATTERN EXPECTED`.
 * On a terminal the count stands in one line that changes, elsewhere it is said four times. The end of what the program
 * printed goes on to standard output, for a message should it fail.
 */

import { createInterface } from "node:readline";

const shownLines = 40;
const redrawMilliseconds = 200;

const [, , title = "", pattern = "", expectedText = ""] = process.argv;
const expected = Number(expectedText);
const counted = new RegExp(pattern);
const end: string[] = [];
let count = 0;
let drawn = 0;
// Who keeps what is drawn here for later, and shows it on a terminal then, says so.
const draws = process.stderr.isTTY || process.env["TEST_BED_DRAWS"] === "1";

for await (const line of createInterface({ input: process.stdin })) {
  end.push(line);
  if (end.length > shownLines) end.shift();
  if (!counted.test(line)) continue;
  count += 1;
  if (draws) draw();
  else if (count % Math.ceil(expected / 4) === 0) process.stderr.write(`${text()}\n`);
}
if (draws) process.stderr.write("\r\u001b[K");
process.stdout.write(`${end.join("\n")}\n`);

function draw(): void {
  if (Date.now() - drawn < redrawMilliseconds) return;
  drawn = Date.now();
  process.stderr.write(`\r\u001b[K${text()}`);
}

function text(): string {
  return `test bed: ${title}: ${count} of ${count > expected ? "more than" : "about"} ${expected}`;
}
