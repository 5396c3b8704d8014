import type { S3Client } from '@aws-sdk/client-s3';
import type { RepositoryConfig } from '../../config/agent-config.ts';
import { repositoryPlace } from '../../core/repository/repository-place.ts';
import type { RepositoryProperties } from './port.ts';

export type S3Settings = Extract<RepositoryConfig, { kind: 's3' }>;

/** Requests are cheap to wait for: what a latency takes, those side by side give back. */
export const s3Properties: RepositoryProperties = {
  connections: 16,
  spools: false,
  conditionalPut: true,
  failsInPassing: true,
  callsCost: true,
};

/** What the parts of an S3 repository share. */
export type S3Place = {
  client: S3Client;
  bucket: string;
  /** What all keys begin with: empty, or ends with `/`. */
  prefix: string;
  /** For messages. */
  description: string;
  objectLock: S3Settings['objectLock'];
};

/** For messages: `bucket s3://backups/rstmdb`, and at which server if it isn't Amazon's. */
export function s3Description(settings: S3Settings): string {
  const { endpoint } = settings;
  return `bucket ${repositoryPlace(settings)}${endpoint === undefined ? '' : ` at ${new URL(endpoint).host}`}`;
}

/** Under it lies what is no object of the repository. */
export const S3_TEMPORARY_FOLDER = '.tmp/';

/** Tells our own put from another's, if its answer was lost. */
export const PUT_ID = 'rstow-put';
