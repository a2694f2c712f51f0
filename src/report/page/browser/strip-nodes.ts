/** The SVG nodes of a drawing, found once and filled for every frame. */

import { AXIS_HEIGHT, STRIP, type AxisScene, type StripScene } from "../../picture/scene/scene.ts";
import { find, findAll, showTexts } from "./dom.ts";

export interface StripNodes {
  /** Where on the window the strips are, in pixels. */
  box(): DOMRect;
  show(strips: readonly StripScene[], axis: AxisScene, width: number): void;
}

export function stripNodes(section: HTMLElement): StripNodes {
  const bars = findAll(section, "svg.bar", SVGSVGElement).map((svg) => ({
    svg,
    labels: find(svg, ".part-labels", SVGGElement),
    paths: findAll(svg, "path", SVGPathElement),
  }));
  const axis = find(section, "svg.axis", SVGSVGElement);
  const axisPath = find(axis, "path", SVGPathElement);
  const axisLabels = find(axis, ".axis-labels", SVGGElement);
  return {
    box: () => axis.getBoundingClientRect(),
    show: (strips, { path, labels }, width) => {
      for (const [index, { svg, labels: group, paths }] of bars.entries()) {
        const scene = strips[index];
        if (scene === undefined) continue;
        svg.setAttribute("viewBox", `0 0 ${width} ${STRIP.height}`);
        const data: Readonly<Record<string, string>> = scene.paths;
        for (const node of paths) node.setAttribute("d", data[node.getAttribute("class") ?? ""] ?? "");
        showTexts(
          group,
          scene.labels.map(({ x, text }) => ({ x, text, className: "part-label" })),
          STRIP.label,
        );
      }
      axis.setAttribute("viewBox", `0 0 ${width} ${AXIS_HEIGHT}`);
      axisPath.setAttribute("d", path);
      showTexts(
        axisLabels,
        labels.map(({ x, text, anchor }) => ({ x, text, className: `axis-label ${anchor}` })),
        AXIS_HEIGHT - 4,
      );
    },
  };
}
