/** `hugebar unbind`: gives a device back to the driver that the kernel finds for it. */

import { runUnbind } from "./bind.ts";

export const run = runUnbind;
