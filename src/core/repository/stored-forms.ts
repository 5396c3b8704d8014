import { suffixOf } from './coded-name.ts';

/** As a listing gives it. */
type Listed = { key: string; sizeBytes: number; modifiedAtMs: number };

/** What lies of one coded object under one suffix: the object, its sidecar, or both. */
export type StoredForm = { suffix: string; key: string; object: Listed | undefined; hasSidecar: boolean };

/** All stored forms of one coded object. `stem`: its key without a suffix. */
export type StoredForms = { stem: string; forms: StoredForm[] };

/** An object that is not stored as all is now, and where it goes. */
export type OutdatedObject = {
  key: string;
  renewedKey: string;
  sizeBytes: number;
  modifiedAtMs: number;
  /** Its new form is stored already, by a step that was killed, say. */
  isRenewed: boolean;
  /** Nothing but its sidecar is left: whoever has deleted the object was killed then. */
  isGone: boolean;
};

const SIDECAR = '.json';

/** Takes the keys of one folder in their order, and gives the forms of each coded object together. */
export async function* formsOf(listed: AsyncIterable<Listed>): AsyncGenerator<StoredForms> {
  let current: StoredForms | undefined;
  for await (const object of listed) {
    const isSidecar = object.key.endsWith(SIDECAR);
    const key = isSidecar ? object.key.slice(0, -SIDECAR.length) : object.key;
    const suffix = suffixOf(key);
    if (suffix === undefined) continue;
    const stem = key.slice(0, -suffix.length);
    if (current?.stem !== stem) {
      if (current !== undefined) yield current;
      current = { stem, forms: [] };
    }
    const form = formIn(current, { suffix, key, object: undefined, hasSidecar: false });
    if (isSidecar) form.hasSidecar = true;
    else form.object = object;
  }
  if (current !== undefined) yield current;
}

function formIn({ forms }: StoredForms, fresh: StoredForm): StoredForm {
  const known = forms.find(({ key }) => key === fresh.key);
  if (known === undefined) forms.push(fresh);
  return known ?? fresh;
}

/** Those forms that end otherwise than everything is stored now. A sidecar alone counts if there is a form that it is not needed for. */
export function outdatedForms({ stem, forms }: StoredForms, suffix: string): OutdatedObject[] {
  const isRenewed = forms.some((form) => form.suffix === suffix && form.object !== undefined);
  return forms
    .filter((form) => form.suffix !== suffix && (form.object !== undefined || isRenewed))
    .map(({ key, object }) => ({
      key,
      renewedKey: `${stem}${suffix}`,
      sizeBytes: object?.sizeBytes ?? 0,
      modifiedAtMs: object?.modifiedAtMs ?? 0,
      isRenewed,
      isGone: object === undefined,
    }));
}
