import { canonicalJson } from '../json/canonical-json.ts';

/** What an operator puts a name to: the start of one run, or one plan (or request) of a run that waits. */
export type Statement =
  | { purpose: 'start'; workflowType: string; workflowId: string; input: object }
  | { purpose: 'approve'; workflowId: string; firstRunId: string; hash: string };

/** A signature as it travels in a run's memo or in an update. Nothing of it is secret. */
export type Signature = {
  /** The fingerprint of the public key: `SHA256:…`, as `ssh-keygen -l` shows it. */
  keyId: string;
  /** Unix ms, by the clock of whoever signed. */
  signedAtMs: number;
  /** Random: it makes each signature good for one run only. */
  nonce: string;
  /** Ed25519 over the statement's text, base64. */
  value: string;
};

export type Signing = Omit<Signature, 'value'>;

/** How long a signature is taken after it was made, and before: clocks differ. */
export const SIGNATURE_VALID_MS = 600_000;

/** The one text that is signed for a statement: equal statements give equal texts, whatever the order of their fields. */
export function statementText(statement: Statement, { keyId, signedAtMs, nonce }: Signing): string {
  return `rstow signature 1\n${canonicalJson(JSON.stringify({ ...statement, keyId, signedAtMs, nonce }))}\n`;
}

/** The text whose SHA-256 names a request for a run, so that it can be approved before there is a plan. */
export function requestText(request: { workflowType: string; workflowId: string; firstRunId: string; input: object }): string {
  return `rstow request 1\n${canonicalJson(JSON.stringify(request))}\n`;
}
