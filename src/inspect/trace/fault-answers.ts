/** What a fault handler answers, linux/mm_types.h, in words. */

const VM_FAULT_NOPAGE = 0x100;
const VM_FAULT_FALLBACK = 0x800;

/**
 * - `done`: the kernel laid the leaf
 * - `fellBack`: it could not be that large; the kernel asked again for the next smaller one
 * - `failed`: the access itself failed: the device is asleep, or its memory is switched off
 */
export type FaultResult = "done" | "fellBack" | "failed";

export function faultResult(answer: number): FaultResult {
  return answer === VM_FAULT_NOPAGE ? "done" : answer === VM_FAULT_FALLBACK ? "fellBack" : "failed";
}
