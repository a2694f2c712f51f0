/** Telling an author of errors, in a number that a log can take: clients can provoke as many as they like. */

import { hugebarError } from "../../errors.ts";

/** So many in so long; what comes above is counted. */
export const MOST_REPORTS = 32;
export const PERIOD_MILLISECONDS = 10_000;

/** `onError`, called for the first errors of a period, and at its end once for all the others. */
export function limitReports(onError: (error: unknown) => void): (error: unknown) => void {
  let reports = 0;
  let left = 0;
  const endPeriod = (): void => {
    const count = left;
    reports = 0;
    left = 0;
    if (count > 0) onError(leftOut(count));
  };
  return (error) => {
    if (reports === 0) setTimeout(endPeriod, PERIOD_MILLISECONDS).unref();
    reports += 1;
    if (reports <= MOST_REPORTS) onError(error);
    else left += 1;
  };
}

function leftOut(count: number): Error {
  const action = `report ${count} more ${count === 1 ? "error" : "errors"} one by one`;
  const problem = `there were more than ${MOST_REPORTS} in ${PERIOD_MILLISECONDS / 1000} s`;
  return hugebarError("ERR_BUSY", { action, problem });
}
