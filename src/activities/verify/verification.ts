import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Warning } from '../../contract/result.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import type { Store } from '../../store/store.ts';

/** What a verification found. */
export type Verified = {
  pieces: number;
  records: number;
  bytesRead: number;
  bytesPlain: number;
  /** Numbers that failed writes burnt, and places where concurrent writers changed order: counted, not judged. */
  sequenceGaps?: number;
  sequenceInversions?: number;
  stateDigest?: string;
  /** What the backup itself warned of, where it still bears on it. */
  warnings: Warning[];
};

/** What a verification has to hold. */
export type Verification = { deps: ActivityDeps; store: Store; manifest: Manifest; run: RunPort };
