/** `hugebar unbind`: gives a device back to the driver that the kernel finds for it. */

import { changeHands } from "./bind.ts";
import type { Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

export async function run({ options, operands }: Arguments<"unbind">, output: Output): Promise<void> {
  await changeHands("unbind", operands, options, output);
}
