/**
 * The colours of pictures, for light, dark and paper. Whatever carries meaning has a contrast of 3 to 1 and more with what it
 * lies on, text one of 4.5; so it is for those who are colour-blind too (palette.test.ts computes it).
 */

export interface Palette {
  /** What all of it lies on. */
  readonly surface: string;
  /** Buttons, badges, fields. */
  readonly raised: string;
  readonly ink: string;
  readonly quiet: string;
  /** Hairlines, which say nothing that space does not say. */
  readonly rule: string;
  /** The outlines of what can be pressed or typed into, and of gaps. */
  readonly edge: string;
  readonly pud: string;
  readonly pmd: string;
  readonly pte: string;
  /** What is wrong, and what cannot be used. */
  readonly alarm: string;
  readonly accent: string;
}

export const LIGHT: Palette = {
  surface: "#fcfcfa",
  raised: "#f3f3ef",
  ink: "#16191c",
  quiet: "#545d65",
  rule: "#d3d6d4",
  edge: "#84898d",
  pud: "#0f4c5c",
  pmd: "#b07a12",
  pte: "#b9452c",
  alarm: "#9d1f4d",
  accent: "#0f5c70",
};

export const DARK: Palette = {
  surface: "#121518",
  raised: "#1b1f23",
  ink: "#e7e9ea",
  quiet: "#a3adb5",
  rule: "#363c42",
  edge: "#6d757c",
  pud: "#3f9db3",
  pmd: "#edc36a",
  pte: "#d9614a",
  alarm: "#f386ab",
  accent: "#62bfd4",
};

export const PAPER: Palette = { ...LIGHT, surface: "#ffffff", raised: "#ffffff" };

/** A palette as custom properties. */
export function properties(palette: Palette): string {
  return Object.entries(palette)
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(" ");
}
