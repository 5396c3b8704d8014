/** A repository in a bucket of its own on a test's S3 server. */
import type { S3Settings } from '../../src/io/repository/s3-place.ts';
import type { S3Server } from './s3-server.ts';

export function s3Settings(server: S3Server, bucket: string, more: Partial<S3Settings> = {}): S3Settings {
  return { kind: 's3', bucket, endpoint: server.endpoint, credentialsFile: server.credentialsFile, ...more };
}
