/** A mappable part of a region: `offset` and `size` in bytes from the region's start. */
export interface Area {
  readonly offset: number;
  readonly size: number;
}
