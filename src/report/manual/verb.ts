/** What the table of verbs is made of. */

/** How a shell completes a value: a file's name, a device's name, a verb, or nothing. */
type Completes = "file" | "device" | "verb";

/** An option that stands for itself: `--json`. */
interface FlagOption {
  readonly type: "boolean";
  readonly short?: string;
  readonly summary: string;
}

/** An option with a value: `--size BYTES`. */
interface ValueOption {
  readonly type: "string";
  readonly short?: string;
  /** What the help calls the value. */
  readonly value: string;
  /** The only values there are. */
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  /** May be given more than once. */
  readonly multiple?: boolean;
  readonly required?: boolean;
  /** Suffixes of files that results can be written to. */
  readonly formats?: readonly string[];
  readonly summary: string;
}

export type VerbOption = FlagOption | ValueOption;

export interface Operand {
  /** What the help calls it: `DEVICE`. */
  readonly name: string;
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  readonly optional?: boolean;
  /** May be given more than once; only the last operand can be. */
  readonly repeatable?: boolean;
  readonly summary: string;
}

export interface Verb {
  readonly summary: string;
  readonly operands: readonly Operand[];
  readonly options: Readonly<Record<string, VerbOption>>;
  /**
   * Where its exit code 1 means that something falls short, and any other failure is 6: always (true), or with the option
   * of this name.
   */
  readonly judges?: true | string;
  /** Paragraphs for the help and the manual page. */
  readonly details: readonly string[];
  /** Commands to try, each with what it shows. */
  readonly examples: readonly { readonly command: string; readonly shows: string }[];
}

/** The verbs by name, in the order in which they are told of. */
export type Verbs = Readonly<Record<string, Verb>>;
