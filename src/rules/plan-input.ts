/** What a plan is asked for, checked: by the tool's options and on the planner's page alike. */

import { hugebarError } from "../errors.ts";
import type { PagingModel } from "../layout/paging.ts";
import { formatSize, isAligned, parseSize } from "../layout/sizes.ts";

/**
 * Reads an address at which a region may start.
 *
 * @param what what it is for, as messages name it: `--physical`
 * @throws ERR_ARGUMENT for what is no number, or not a multiple of the page size
 */
export function parseAddress(what: string, text: string, model: PagingModel): bigint {
  const address = parseSize(text, what);
  if (isAligned(address, model.pageSize)) return BigInt(address);
  throw hugebarError("ERR_ARGUMENT", {
    what: `${what} ${text}`,
    problem: `it is not a multiple of the page size (${formatSize(model.pageSize)})`,
  });
}

/**
 * @param leaveOut what there is not to be, as messages name it: `--guest-address`
 * @throws ERR_NOT_SUPPORTED where KVM's rule is not known
 */
export function requireSecondStage(model: PagingModel, leaveOut: string): void {
  if (model.name === "x86-64" || model.name.startsWith("arm64")) return;
  throw hugebarError("ERR_NOT_SUPPORTED", {
    action: `plan a guest on ${model.name}`,
    problem: `KVM's rule is known for x86-64 and arm64 only: leave ${leaveOut} out`,
  });
}
