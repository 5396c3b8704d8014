import { hostname, userInfo } from 'node:os';

/** Who asks or decides, for the record. */
export function requester(): string {
  return `${userName()}@${hostname()}`;
}

/** A container's user need not have a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
