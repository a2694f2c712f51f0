/**
 * The one table of errors. Every error that hugebar throws is a `HugebarError` whose `code` is a row of this table;
 * `docs/errors.md` lists the same rows, and a test holds the two together.
 */

interface ErrorRow {
  /** The message; `{name}` is replaced by the detail of that name. */
  readonly message: string;
  /** The exit code of the command-line tool when this error ends it. */
  readonly exitCode: 1 | 2 | 3 | 4 | 5;
}

/** @internal */
export const ERROR_TABLE = {
  ERR_USAGE: { message: "{problem}", exitCode: 2 },
  ERR_ARGUMENT: { message: "Cannot use {what}: {problem}", exitCode: 2 },
  ERR_NODE_VERSION: {
    message: "Cannot run on Node {found}: hugebar needs Node {needed} or newer",
    exitCode: 1,
  },
  ERR_REGION_INDEX: { message: "Cannot use region {index} of {device}: {problem}", exitCode: 2 },
  ERR_REGION_LAYOUT: { message: "Cannot map region {region}: {problem}", exitCode: 1 },
  ERR_REGION_MAP: { message: "Cannot map region {region}: {problem}", exitCode: 1 },
  ERR_ACCESS_RANGE: { message: "Cannot {access} of {target}: {problem}", exitCode: 1 },
  ERR_ACCESS_ALIGNMENT: { message: "Cannot {access} of {target}: {problem}", exitCode: 1 },
  ERR_ACCESS_DENIED: { message: "Cannot {access} of {target}: {problem}", exitCode: 1 },
  ERR_CLOSED: { message: "Cannot use {what}: it is closed", exitCode: 1 },
  ERR_CLOSE: {
    message:
      "Cannot close {what} whole: {problem}; the rest is closed, and another close() tries what is left",
    exitCode: 1,
  },
  ERR_NOT_SUPPORTED: { message: "Cannot {action}: {problem}", exitCode: 1 },
  ERR_NO_DEVICE: { message: "Cannot open {device}: {problem}", exitCode: 3 },
  ERR_PERMISSION: { message: "Cannot {action}: {problem}", exitCode: 4 },
  ERR_BUSY: { message: "Cannot {action}: {problem}", exitCode: 5 },
  ERR_TIMEOUT: { message: "Cannot {action}: {problem}", exitCode: 1 },
  ERR_DISCONNECTED: { message: "Cannot {action}: {problem}", exitCode: 1 },
  ERR_PROTOCOL: { message: "Cannot {action}: {problem}", exitCode: 1 },
  ERR_DEVICE: { message: "Cannot {action}: the device answered {errno}", exitCode: 1 },
  ERR_SYSTEM: { message: "Cannot {action}: {problem}", exitCode: 1 },
} as const satisfies Record<string, ErrorRow>;

/** A stable error code: a row of the error table. */
export type ErrorCode = keyof typeof ERROR_TABLE;

type Placeholders<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

/** The details that the message of an error needs, by name. */
export type ErrorDetails<Code extends ErrorCode> = Record<
  Placeholders<(typeof ERROR_TABLE)[Code]["message"]>,
  string | number
>;

/**
 * What every function of hugebar throws. `code` is stable; the message says what was tried, on what, and what to do;
 * where a system call failed, `cause` is a `SystemCallError` with its errno and name.
 */
export class HugebarError extends Error {
  readonly code: ErrorCode;
  /** The exit code the command-line tool ends with on this error. */
  readonly exitCode: number;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HugebarError";
    this.code = code;
    this.exitCode = ERROR_TABLE[code].exitCode;
  }
}

/** Makes the error of row `code`, its message filled in from `details`. */
export function hugebarError<Code extends ErrorCode>(
  code: Code,
  details: ErrorDetails<Code>,
  cause?: unknown,
): HugebarError {
  const values = new Map<string, string | number>(Object.entries(details));
  const message = ERROR_TABLE[code].message.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    String(values.get(name)),
  );
  return new HugebarError(code, message, cause === undefined ? undefined : { cause });
}
