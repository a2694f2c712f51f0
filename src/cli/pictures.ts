/** The formats of a result that is a picture. */

import type { Picture } from "../report/picture/drawing/picture.ts";
import type { Result } from "./output.ts";

/**
 * The part of a result that draws `picture`, which is made only when asked for; so is the loading of what draws it, a
 * third of the time that a verb takes to start.
 */
export function pictureFormats(
  picture: () => Picture | Promise<Picture>,
): Required<Pick<Result, "svg" | "html">> {
  return {
    svg: async () => (await import("../report/picture/media/svg.ts")).renderSvg(await picture()),
    html: async () => (await import("../report/page/html.ts")).renderHtml(await picture()),
  };
}
