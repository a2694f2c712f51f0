import { hugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";

/**
 * The areas that a caller asked for, once each is seen to lie in one of the areas that the device allows to map. Both
 * lists are arranged. The kernel would refuse others one by one; a memfd behind a vfio-user socket would not.
 *
 * @throws ERR_REGION_LAYOUT
 */
export function narrowAreas(
  wanted: readonly Area[],
  mappable: readonly Area[],
  region: string,
): readonly Area[] {
  for (const { offset, size } of wanted) {
    const inside = mappable.some((area) => area.offset <= offset && offset + size <= area.offset + area.size);
    if (!inside) {
      throw hugebarError("ERR_REGION_LAYOUT", {
        region,
        problem: `the part 0x${offset.toString(16)}+0x${size.toString(16)} lies in no area that the device allows to map`,
      });
    }
  }
  return wanted;
}
