/** What a row of the table is made of. */

import type { Bar } from "./bars.ts";
import type { Comparison } from "./pairs.ts";
import type { Peers } from "./peers.ts";

export interface Row {
  /** For the command line: `node bench/run.ts NAME`. */
  readonly name: string;
  readonly what: string;
  /** What it is held against. */
  readonly against: string;
  readonly bar: Bar;
  /** Takes the samples; null where that takes a C compiler and there is none. What it opened is closed when it ends, except the peers: those are stopped after it. */
  readonly measure: (peers: Peers) => Promise<Comparison | null>;
}
