/** gpg for programs, in a folder of its own: it asks nobody. */
export function gpgCommand(home: string): string[] {
  return ['gpg', '--batch', '--quiet', '--homedir', home, '--pinentry-mode', 'loopback'];
}
