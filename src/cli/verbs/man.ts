/** `hugebar man` */

import { manualPage } from "../../report/manual/manual-page.ts";
import { writeText, type Output } from "../output.ts";
import { VERBS, type Arguments } from "../verbs.ts";

export function run({ options }: Arguments<"man">, output: Output): void {
  writeText(manualPage(VERBS), options.output, output);
}
