const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/**
 * Whether the text is Bech32 with that prefix, and its checksum fits: up to four characters that were mistyped are found.
 * @see BIP 173
 */
export function isBech32(text: string, prefix: string): boolean {
  if (!text.startsWith(`${prefix}1`)) return false;
  const values = Array.from(text.slice(prefix.length + 1), (character) => ALPHABET.indexOf(character));
  return values.length > 6 && !values.includes(-1) && checksumOf([...expanded(prefix), ...values]) === 1;
}

function expanded(prefix: string): number[] {
  const codes = Array.from(prefix, (character) => character.codePointAt(0) as number);
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function checksumOf(values: readonly number[]): number {
  let checksum = 1;
  for (const value of values) {
    const top = checksum >>> 25;
    checksum = ((checksum & 0x1ffffff) << 5) ^ value;
    for (const [bit, generator] of GENERATORS.entries()) if (((top >> bit) & 1) === 1) checksum ^= generator;
  }
  return checksum;
}
