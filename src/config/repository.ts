import { z } from 'zod';
import { absolutePath } from './values.ts';

const folder = z
  .strictObject({
    kind: z.literal('folder').describe('A folder on a local or a network disk.'),
    path: absolutePath
      .meta({ examples: ['/mnt/backup/rstmdb'] })
      .describe('The folder. It must lie outside of every data directory, and its disk needs hard links.'),
  })
  .meta({ sample: { kind: 'folder', path: '/mnt/backup/rstmdb' } });

export const repositorySection = z
  .discriminatedUnion('kind', [folder])
  .describe('Where backups are kept, by the name that a person gives it.');
