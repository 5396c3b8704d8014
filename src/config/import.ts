import { z } from 'zod';
import { absolutePath } from './values.ts';

/** What opens the encrypted archives of a database's old scripts. */
export const importSection = z
  .strictObject({
    ageIdentityFile: absolutePath.optional().describe('Opens archives that `age` has encrypted: handed to `age -d -i`.'),
    gpgPassphraseFile: absolutePath
      .optional()
      .describe('Holds the passphrase of archives that `gpg --symmetric` has encrypted: handed to `gpg --passphrase-file`.'),
    gpgHome: absolutePath
      .optional()
      .describe('GnuPG’s folder with the secret key of archives that are encrypted for one; an empty one of the run’s own if absent.'),
  })
  .describe('The keys of encrypted archives that `rstow import` reads. No input names a key.')
  .meta({ sample: { ageIdentityFile: '/etc/rstow/age.key' } });
