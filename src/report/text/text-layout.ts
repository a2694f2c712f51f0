/** How a text is laid out. */
export interface TextLayout {
  /** Columns to fill. */
  readonly width: number;
  /** No line may be longer, as on a terminal; else tables are as wide as their cells. */
  readonly fit: boolean;
  readonly colour: boolean;
}
