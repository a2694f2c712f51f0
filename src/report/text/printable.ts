/** A text from elsewhere as it may stand on a terminal: anyone can put control characters into the name of a process. */
export function printable(text: string): string {
  return text.replaceAll(
    /\p{C}/gu,
    (sign) => `\\x${(sign.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`,
  );
}
