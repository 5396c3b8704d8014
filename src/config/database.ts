import { z } from 'zod';
import { approvalSection } from './authority.ts';
import { rehearsalSection } from './rehearsal.ts';
import { serverSection } from './server.ts';
import { serviceSection } from './service.ts';
import { absolutePath, command, durationMs, name } from './values.ts';

export const databaseSection = z
  .strictObject({
    server: serverSection,
    dataDir: absolutePath.meta({ examples: ['/var/lib/rstmdb'] }).describe('The server’s data directory, on this host; it holds `wal/`.'),
    service: serviceSection.default({ kind: 'none' }),
    repositories: z
      .array(name)
      .min(1)
      .max(10)
      .meta({ unit: 'names of [repositories](#repositoriesname)', examples: [['local']] })
      .describe('Where its backups are kept. The first is the primary, which a run uses unless it names another.'),
    rehearsal: rehearsalSection.prefault({}),
    maxDowntimeMs: durationMs.default(120_000).describe('How long a restore may keep the server down before a watchdog starts it.'),
    safetyCopyMs: durationMs.default(604_800_000).describe('How long a restore keeps the data that it replaced.'),
    standby: z.boolean().default(false).describe('Whether this host stands ready to take the database over.'),
    prepare: z
      .array(command)
      .max(20)
      .default([])
      .meta({ unit: 'commands' })
      .describe('Run in order, without a shell, before a disaster recovery’s data go in; each may run twice, even at once.'),
    approval: approvalSection.optional(),
    startTimeoutMs: durationMs.default(600_000).describe('How long the server may take to replay its log after a start.'),
  })
  .describe('One database, by the name that inputs call it.')
  .meta({
    sample: {
      server: { address: '127.0.0.1:7401' },
      dataDir: '/var/lib/rstmdb',
      repositories: ['local'],
    },
  });
