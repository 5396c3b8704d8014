import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether an Authorization header carries the token; how long the comparison takes tells nothing of it. */
export function isBearer(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(.+)$/i.exec(header ?? '')?.[1];
  return given !== undefined && timingSafeEqual(sha256(given), sha256(token));
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
