/**
 * What can be restored although an object is damaged. `same`: a restore of the backup never reads the object ·
 * `other-cover`: once the object is moved away, other pieces give the same bytes · `older`: another backup doesn't
 * need it · `none`.
 */
export type Alternative = { kind: 'same' | 'other-cover' | 'older'; label: string } | { kind: 'none' };

/** For a person who just met the damage. */
export function alternativeSentence(found: Alternative): string {
  switch (found.kind) {
    case 'same':
      return `a restore of ${found.label} does not need it`;
    case 'other-cover':
      return `other pieces hold the same bytes; move it out of the repository, and ${found.label} can be restored`;
    case 'older':
      return `backup ${found.label} does not need it and can be restored instead`;
    case 'none':
      return 'no other backup is complete without it';
  }
}
