/** Checks that text is well-formed XML, as far as our SVG goes: elements, attributes in double quotes, five entities. */

import assert from "node:assert/strict";

const TOKEN =
  /<(?<slash>\/?)(?<name>[A-Za-z][\w-]*)(?<attributes>(?: [A-Za-z][\w:-]*="[^"<]*")*)(?<empty>\/?)>|(?<text>[^<]+)/gy;

/** The names of all elements; throws where the text is not well-formed. */
export function elementsOf(xml: string): string[] {
  assert.doesNotMatch(xml, /&(?!(?:amp|lt|gt|quot|#39);)/, "a bare ampersand");
  const open: string[] = [];
  const names: string[] = [];
  let end = 0;
  for (const match of xml.matchAll(TOKEN)) {
    end = match.index + match[0].length;
    const { slash, name, empty } = match.groups ?? {};
    if (name === undefined) continue;
    if (slash === "/") assert.equal(open.pop(), name);
    else {
      names.push(name);
      if (empty !== "/") open.push(name);
    }
  }
  assert.equal(end, xml.length, `not XML: ${xml.slice(end, end + 80)}`);
  assert.deepEqual(open, []);
  return names;
}
