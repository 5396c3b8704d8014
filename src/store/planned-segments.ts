// Until every verb opens a Store.
export { planSegments } from './pieces.ts';
