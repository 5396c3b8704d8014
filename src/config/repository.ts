import { z } from 'zod';
import { signersSection } from './authority.ts';
import { encryptionSection, formerEncryptionSection } from './encryption.ts';
import { absolutePath } from './values.ts';

const folder = z
  .strictObject({
    kind: z.literal('folder').describe('A folder on a local or a network disk.'),
    path: absolutePath
      .meta({ examples: ['/mnt/backup/rstmdb'] })
      .describe('The folder. It must lie outside of every data directory, and its disk needs hard links.'),
    encryption: encryptionSection.optional(),
    formerEncryption: formerEncryptionSection.optional(),
    signers: signersSection.optional(),
  })
  .meta({ sample: { kind: 'folder', path: '/mnt/backup/rstmdb' } });

/** What a date of deletion can still be counted with. */
const LOCK_DAYS_MAX = 36_500;

const objectLock = z
  .strictObject({
    mode: z
      .enum(['governance', 'compliance'])
      .describe('`governance`: who has the right to bypass it can delete all the same; `compliance`: nobody can.'),
    days: z.int().min(1).max(LOCK_DAYS_MAX).describe('So long after it was stored nobody can delete an object for good.'),
  })
  .describe('Keeps each object from being deleted or replaced for good. The bucket must have been made with object lock.');

const KEY_PART = '[A-Za-z0-9._-]+';

const s3 = z
  .strictObject({
    kind: z.literal('s3').describe('A bucket of Amazon S3, or of a server that speaks its protocol and knows conditional puts.'),
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket: 3 to 63 of a-z, 0-9, . and -')
      .meta({ examples: ['example-backups'] })
      .describe('The bucket, which must be there.'),
    prefix: z
      .string()
      .max(256)
      .regex(new RegExp(`^${KEY_PART}(/${KEY_PART})*$`), 'must be names of A-Z, a-z, 0-9, ., _ and -, with / between them')
      .refine((text) => !text.split('/').some((part) => part === '.' || part === '..'), 'must not hold . or .. as a name')
      .meta({ examples: ['rstmdb'] })
      .optional()
      .describe('What the keys of all objects begin with: several repositories can share a bucket. Without it, they lie at its root.'),
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,63}$/, 'must be the name of a region')
      .meta({ examples: ['eu-central-1'] })
      .optional()
      .describe('Where the bucket lies. Without it, as AWS’s own tools find it (`AWS_REGION`); with an `endpoint`, `us-east-1`.'),
    endpoint: z
      .url({ protocol: /^https?$/, error: 'must be the http:// or https:// address of a server' })
      .meta({ examples: ['https://minio.example:9000'] })
      .optional()
      .describe('The server, if it is not Amazon’s.'),
    pathStyle: z
      .boolean()
      .optional()
      .describe(
        'Whether the bucket is a part of the path, and not of the host’s name. Most servers but Amazon’s want it: true with an `endpoint`.',
      ),
    credentialsFile: absolutePath
      .meta({ examples: ['/etc/rstow/s3-credentials'] })
      .optional()
      .describe(
        'A file as AWS’s tools have it, with `aws_access_key_id` and `aws_secret_access_key` under `[default]`; mode 0640 or stricter. It is ' +
          'read again every few minutes. Without it, credentials are found as AWS’s own tools find them: environment, profile, role.',
      ),
    caFile: absolutePath
      .meta({ examples: ['/etc/rstow/s3-ca.pem'] })
      .optional()
      .describe('The certificates (PEM) that the server’s own is checked by, if the system does not know them.'),
    objectLock: objectLock.optional(),
    encryption: encryptionSection.optional(),
    formerEncryption: formerEncryptionSection.optional(),
    signers: signersSection.optional(),
  })
  .meta({ sample: { kind: 's3', bucket: 'example-backups', prefix: 'rstmdb', region: 'eu-central-1' } });

export const repositorySection = z
  .discriminatedUnion('kind', [folder, s3])
  .describe('Where backups are kept, by the name that a person gives it.');

type RepositorySettings = z.infer<typeof repositorySection>;

/** Of those that lie in one on this host. */
export function repositoryFolders(repositories: Readonly<Record<string, RepositorySettings>>): string[] {
  return Object.values(repositories).flatMap((settings) => (settings.kind === 'folder' ? [settings.path] : []));
}
