import { createHash, scrypt } from 'node:crypto';

/** A beginning of a hash, which names a key set: enough to tell the sets of one repository apart, and no help in guessing a passphrase. */
const NAME_BYTES = 4;

/** As much work for each guess as a repository's name of 8 digits is worth, and a third of a second for us, once. */
const COSTS = { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 };

/** The order of the recipients makes no other set. */
export function keySetOfRecipients(recipients: readonly string[]): string {
  return createHash('sha256')
    .update([...recipients].sort().join('\n'))
    .digest('hex')
    .slice(0, 2 * NAME_BYTES);
}

/** Of one repository: the same passphrase in another one has another name. */
export function keySetOfPassphrase(passphrase: string, repositoryId: string): Promise<string> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, repositoryId, NAME_BYTES, COSTS, (error, name) => (error === null ? resolve(name.toString('hex')) : reject(error)));
  });
}
