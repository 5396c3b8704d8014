type FolderPlace = { kind: 'folder'; path: string };
type BucketPlace = { kind: 's3'; bucket: string; prefix?: string | undefined };

/** As a person names it: the folder, or `s3://bucket/prefix`. */
export function repositoryPlace(settings: FolderPlace | BucketPlace): string {
  if (settings.kind === 'folder') return settings.path;
  return `s3://${settings.bucket}${settings.prefix === undefined ? '' : `/${settings.prefix}`}`;
}
