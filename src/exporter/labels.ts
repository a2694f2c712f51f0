/** The labels of mappings and their owners: what lasts, and so no address and no process number. */

import type { InspectedProcess } from "../inspect/inspection.ts";
import type { InspectedMapping } from "../inspect/judge/region-mappings.ts";
import { ownerInWords } from "../inspect/proc/owner.ts";

export type RegionLabels = Readonly<Record<"device" | "region" | "owner", string>>;

export function regionLabels({ kind, identity }: InspectedMapping, owner: string): RegionLabels {
  return { device: identity.device ?? kind, region: String(identity.region ?? "unknown"), owner };
}

/** What stays the same when the process is started again. */
export function ownerName({ command, owner }: InspectedProcess): string {
  // Containers and scopes have another name each time; a pod keeps its UID however often they are started in it.
  if (owner !== null && owner.pod !== null) return `pod ${owner.pod}`;
  const isLasting = owner?.kind === "domain" || owner?.kind === "machine" || owner?.name.endsWith(".service");
  if (owner !== null && isLasting === true) return ownerInWords(owner);
  return command === "" ? "unknown" : command;
}
