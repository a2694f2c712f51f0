/**
 * VF tokens: where a driver of VFIO's holds an SR-IOV function and another process its VFs, each shows the other's secret,
 * a UUID, for the one can do as it likes with the other's devices (vfio_pci_validate_vf_token).
 */

import { unusable } from "../arguments.ts";
import { hugebarError, type HugebarError } from "../errors.ts";
import type { SystemCallError } from "../system/system.ts";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** @throws ERR_ARGUMENT for what is no UUID */
export function requireVfToken(token: unknown): string {
  if (typeof token === "string" && UUID.test(token)) return token.toLowerCase();
  throw unusable("VF token", token, "it must be a UUID, like 14a63f20-8599-42ea-8e07-1f1d0c1e2f30");
}

/** The token's 16 bytes, in the order written. */
export function vfTokenBytes(token: string): Uint8Array {
  return Uint8Array.from(Buffer.from(token.replaceAll("-", ""), "hex"));
}

/**
 * EACCES is what vfio_pci_validate_vf_token() answers for a token that is missing or wrong, EINVAL for one that the device
 * has no use for.
 */
export function isTokenRefusal({ code }: SystemCallError, token: string | undefined): boolean {
  return code === "EACCES" || (code === "EINVAL" && token !== undefined);
}

/** The error for a device that the kernel does not give without the right token (EACCES). */
export function tokenRefused(bdf: string, token: string | undefined, cause: SystemCallError): HugebarError {
  const problem =
    token === undefined
      ? "it is a VF whose SR-IOV function another process holds by VFIO, or the function of such VFs: open it with the vfToken (--vf-token) that the other side was opened with"
      : "the vfToken (--vf-token) is not the one that the other side, function or VF, was opened with, or the device takes none";
  return hugebarError("ERR_PERMISSION", { action: `open ${bdf}`, problem }, cause);
}
