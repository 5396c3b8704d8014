import { isUnreadable } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** Undefined where one object can't be used: to say so is a verification's, and here it must keep nobody from the others. */
export async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof RstowError && isUnreadable(error.code)) return undefined;
    throw error;
  }
}
