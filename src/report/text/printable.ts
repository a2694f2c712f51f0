/** A text from elsewhere as it may stand on a terminal or in a log: anyone can put control characters and ends of lines into the name of a process. */
export function printable(text: string): string {
  return text.replaceAll(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (sign) => `\\x${(sign.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`,
  );
}
