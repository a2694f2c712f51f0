/** The executable for this machine, as several files of tests take it. */

import { join } from "node:path";
import { buildExecutable } from "../../build/executable.ts";
import { madeOnceLater } from "../made-once.ts";

export async function builtExecutable(): Promise<string> {
  const folder = await madeOnceLater("executable", (draft) =>
    buildExecutable({ arch: process.arch, output: join(draft, "hugebar") }),
  );
  return join(folder, "hugebar");
}
