/** The formats of a result that is a picture. */

import type { Picture } from "../report/drawing.ts";
import { renderHtml } from "../report/html.ts";
import { renderSvg } from "../report/svg.ts";
import type { Result } from "./output.ts";

/** The part of a result that draws `picture`, which is made only when asked for. */
export function pictureFormats(picture: () => Picture): Required<Pick<Result, "svg" | "html">> {
  return { svg: () => renderSvg(picture()), html: () => renderHtml(picture()) };
}
