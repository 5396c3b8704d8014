// Until every verb opens a Store.
export { claimLabel } from './backups.ts';
