/** Collects what goes into an initial RAM disk: files from this machine, generated text, links, and their folders. */

import { globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

import { type CpioEntry, cpioArchive, MODE_FILE, MODE_FOLDER, MODE_LINK, MODE_PROGRAM } from "./cpio.ts";

export class Tree {
  readonly #entries = new Map<string, CpioEntry>();

  folder(path: string): this {
    if (path === "." || path === "/" || this.#entries.has(path)) return this;
    this.folder(dirname(path));
    this.#entries.set(path, { path, mode: MODE_FOLDER, content: new Uint8Array() });
    return this;
  }

  text(path: string, text: string, mode = MODE_FILE): this {
    return this.#add({ path, mode, content: Buffer.from(text) });
  }

  link(path: string, target: string): this {
    return this.#add({ path, mode: MODE_LINK, content: Buffer.from(target) });
  }

  /** The file `source` of this machine, links followed. */
  file(path: string, source: string): this {
    const executable = (statSync(source).mode & 0o100) !== 0;
    return this.#add({ path, mode: executable ? MODE_PROGRAM : MODE_FILE, content: readFileSync(source) });
  }

  /** The files below `source` whose names match the pattern. */
  files(path: string, source: string, pattern = "**"): this {
    for (const name of globSync(pattern, { cwd: source }).sort()) {
      if (statSync(join(source, name)).isFile()) this.file(join(path, name), join(source, name));
    }
    return this;
  }

  #add(entry: CpioEntry): this {
    this.folder(dirname(entry.path));
    this.#entries.set(entry.path, entry);
    return this;
  }

  archive(): Buffer {
    return cpioArchive([...this.#entries.values()]);
  }
}
