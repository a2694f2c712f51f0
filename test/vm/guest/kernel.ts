/** What the guest's kernel is, for tests inside: their expectations follow from this and not from its release. */

import { parseFacts } from "../provision/facts.ts";

export const kernelFacts = parseFacts(process.env["GUEST_FACTS"] ?? "");
