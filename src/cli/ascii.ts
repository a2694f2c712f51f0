/** Text for a terminal or a reader whose locale has no UTF-8. */

/** Whether the locale's characters are UTF-8: the first of these variables that is set decides, as in `setlocale`. */
export function isUtf8Locale(environment: Readonly<Record<string, string | undefined>>): boolean {
  const name = [environment["LC_ALL"], environment["LC_CTYPE"], environment["LANG"]].find(
    (value) => value !== undefined && value !== "",
  );
  return /utf-?8/i.test(name ?? "");
}

/** One for one, so that columns stay where they are. */
const STAND_INS: Readonly<Record<string, string>> = {
  "→": ">",
  "×": "x",
  "≡": "=",
  "≤": "<",
  "≥": ">",
  "–": "-",
  "—": "-",
  "−": "-",
  "…": "~",
  "·": ".",
  "█": "#",
  "▓": "+",
  "░": ":",
};

/** The same text in ASCII, as long as it was; a sign without a stand-in becomes `?`. */
export function asciiText(text: string): string {
  return text.replaceAll(/[^\0-\x7f]/gu, (sign) => STAND_INS[sign] ?? "?");
}

/** The same JSON in ASCII, by its own escapes. */
export function asciiJson(text: string): string {
  return text.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
