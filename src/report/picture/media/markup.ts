/**
 * Text of SVG and HTML. Names of devices and processes come from outside: whatever is put into markup is escaped here,
 * where it cannot be forgotten.
 */

/** Text that is markup already. Only this file makes it. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Markup | string | number;

/** A template of markup: what is put into it is escaped, except for markup. Lists stand one after another. */
export function markup(strings: TemplateStringsArray, ...parts: readonly (Part | readonly Part[])[]): Markup {
  const texts = strings.map((text, index) => text + textOf(parts[index] ?? ""));
  return new Markup(texts.join(""));
}

/** Text of our own that must stand as it is: a style sheet, a script. Never anything from outside. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function textOf(part: Part | readonly Part[]): string {
  if (part instanceof Markup) return part.text;
  return typeof part === "object" ? part.map(textOf).join("") : escapeText(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** What may not stand in XML 1.0 (section 2.2), and what makes the text around it appear in another order. */
const UNPRINTABLE =
  /[^\t\n\r\u0020-\uFFFD\u{10000}-\u{10FFFF}]|[\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;

/** For text and for attributes in either quotes. What cannot be shown becomes U+FFFD. */
export function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(UNPRINTABLE, "\uFFFD")
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** JSON for a `<script type="application/json">`: nothing in it can end the element. */
export function jsonMarkup(value: unknown): Markup {
  return trusted(JSON.stringify(value).replaceAll("<", String.raw`\u003c`));
}
