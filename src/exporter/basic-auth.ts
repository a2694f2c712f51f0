/** Who may ask: names and passwords by HTTP's basic scheme (RFC 7617) against bcrypt hashes. */

import { compare } from "bcryptjs";

/** So that a name that is unknown takes as long as a password that is wrong. */
const NOBODY = "$2b$10$.mwyJ./ip/fJjTJKGXuCwuLDgO1B1pw/Of6QSeWzYoOTVncgtxdOy";

export type Authority = (authorization: string | undefined) => Promise<boolean>;

/** @param users bcrypt hashes by name; null lets everybody ask */
export function authority(users: ReadonlyMap<string, string> | null): Authority {
  if (users === null) return async () => true;
  // A hash takes a tenth of a second of the processor on purpose: a scraper that comes every few seconds pays once.
  const granted = new Set<string>();
  let last = Promise.resolve();
  return async (authorization) => {
    const [name, password] = credentialsOf(authorization) ?? [];
    if (name === undefined || password === undefined || authorization === undefined) return false;
    if (granted.has(authorization)) return true;
    // One at a time, whoever asks: guessing takes nobody's processor but one's own turn.
    const turn = last.then(() => compare(password, users.get(name) ?? NOBODY));
    last = turn.then(
      () => undefined,
      () => undefined,
    );
    const isRight = (await turn) && users.has(name);
    if (isRight) granted.add(authorization);
    return isRight;
  };
}

function credentialsOf(authorization: string | undefined): [string, string] | null {
  const encoded = /^Basic ([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(authorization ?? "")?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon === -1 ? null : [text.slice(0, colon), text.slice(colon + 1)];
}
