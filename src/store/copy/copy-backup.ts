import { positionKey } from '../../core/backup/label.ts';
import { planSegment } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { sidecarKey, suffixOf } from '../../core/repository/coded-name.ts';
import { wholeNames } from '../../core/repository/copy-plan.ts';
import { backupKey, manifestKey } from '../../core/repository/object-keys.ts';
import { piecesBySegment } from '../../core/repository/piece.ts';
import { labelClaimSchema } from '../../formats/repository/history.ts';
import { type Attachment, type Manifest, manifestSchema } from '../../formats/repository/manifest.ts';
import { attachmentSidecarSchema } from '../../formats/repository/piece.ts';
import { putSealed, readSealed, readSealedBytes } from '../../io/repository/sealed-object.ts';
import { positionOf } from '../manifests.ts';
import { inPresentForm } from '../present-form.ts';
import { type Between, copyCoded, type CopiedObject, putBytes } from './copy-object.ts';
import type { Filling } from './filling.ts';

/**
 * Copies the attachments of a backup, its place, and its manifest last, as that is stored. Fails: missing-object, if the target lacks a
 * piece of it; timeline-diverged; as the reading of the source does. Twice: what is there stays.
 */
export async function copyBackup(filling: Filling, between: Between, label: string): Promise<CopiedObject> {
  const { source, target } = between;
  const { database } = target;
  const key = manifestKey(database, label);
  const read = await readSealedBytes(source.place.repository, key, manifestSchema);
  if (read === undefined) throw missing(key);
  const manifest = read.content;
  requirePieces(filling, between, manifest);
  let bytesStored = 0;
  for (const attachment of manifest.attachments) bytesStored += (await copyAttachment(filling, between, { label, attachment })).bytesStored;
  const place = { schema: labelClaimSchema, value: { format: 1 as const, runId: manifest.runId } };
  await putSealed(target.place.repository, positionKey(database, positionOf(manifest)), place);
  const put = await putBytes(between, key, read.bytes);
  return { isStored: put.isStored || bytesStored > 0, bytesStored: bytesStored + put.bytesStored };
}

type Attached = { label: string; attachment: Attachment };

async function copyAttachment({ held }: Filling, between: Between, { label, attachment }: Attached): Promise<CopiedObject> {
  const { source, place, target } = between;
  const { database, coding } = target;
  const stem = backupKey(database, label, attachment.name);
  const formsIn = (names: ReadonlySet<string> = new Set()): string[] => wholeNames(names).get(attachment.name) ?? [];
  const there = formsIn(held.target.backups.get(label)).map((name) => backupKey(database, label, name));
  if (there.some((key) => !between.isDamaged(key))) return { isStored: false, bytesStored: 0 };
  const forms = formsIn(held.sources[place]?.backups.get(label)).map((name) => backupKey(database, label, name));
  const from = forms.find((key) => suffixOf(key) === coding.suffix) ?? forms[0];
  if (from === undefined) throw missing(`${stem}${source.coding.suffix}`);
  // As for pieces.
  return inPresentForm(source.place.repository, from, (form) => copyForm(between, form, `${stem}${coding.suffix}`));
}

async function copyForm(between: Between, from: string, to: string): Promise<CopiedObject> {
  const { source, target } = between;
  const sidecar = await readSealed(source.place.repository, sidecarKey(from), attachmentSidecarSchema);
  if (sidecar === undefined) throw missing(from);
  return copyCoded(between, { from, to, sizeBytes: sidecar.sizeBytes, sidecar }, (stored) => {
    const value = { ...sidecar, ...stored };
    return putSealed(target.place.repository, sidecarKey(to), { schema: attachmentSidecarSchema, value });
  });
}

function missing(key: string): RstowError {
  return new RstowError('missing-object', `${key} is missing`, { details: { key } });
}

/** A manifest is there only with all that it promises. Fails: missing-object, timeline-diverged. */
function requirePieces({ pieces, diverged }: Filling, { place, target }: Between, { label, segments, timeline }: Manifest): void {
  if (diverged[place]?.has(timeline) === true) {
    const sentence = `backup ${label} is of timeline ${timeline}, which is another history in ${target.name}`;
    throw new RstowError('timeline-diverged', sentence, { details: { label, timeline } });
  }
  const stored = piecesBySegment(pieces);
  for (const segment of segments) {
    try {
      planSegment({ database: target.database, suffix: target.coding.suffix }, segment, stored.get(segment.segment) ?? []);
    } catch (error) {
      // It is the target that lacks the piece: no source is to be called damaged for that.
      if (error instanceof RstowError)
        throw new RstowError('missing-object', `backup ${label} is not copied: ${error.message}`, { cause: error });
      throw error;
    }
  }
}
