/**
 * A page as one HTML document that needs nothing else: no network, no server, no font. Its policy lets its own style and
 * script run and nothing else, whatever a name says.
 */

import { createHash } from "node:crypto";
import { markup, trusted, type Markup } from "../picture/media/markup.ts";
import { GRAINS, PICTURE_STYLE, styleElement } from "../picture/media/picture-style.ts";
import { PAGE_STYLE } from "./page-style.ts";

export interface PageParts {
  readonly title: string;
  readonly body: Markup;
  /** Plain: no imports, nothing that ends its element. */
  readonly script: string;
}

export function htmlDocument({ title, body, script }: PageParts): string {
  const style = PICTURE_STYLE + PAGE_STYLE;
  const policy = `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)}; base-uri 'none'; form-action 'none'`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · hugebar</title>
${styleElement(style)}
</head>
<body>
<svg class="grains" width="0" height="0" aria-hidden="true">${GRAINS}</svg>
${body}
<script type="module">${trusted(script)}</script>
</body>
</html>
`.text;
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
