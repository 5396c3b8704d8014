import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toolPath } from './tools.ts';

const run = promisify(execFile);

export type CertificatePair = { certFile: string; keyFile: string };

export type TlsCertificates = {
  caFile: string;
  /** For 127.0.0.1 and localhost. */
  server: CertificatePair;
  client: CertificatePair;
  /** An authority that signed neither of them. */
  otherCaFile: string;
  remove: () => Promise<void>;
};

/** Makes an authority and, signed by it, a server's and a client's certificate, in a new temp folder. */
export async function makeTlsCertificates(): Promise<TlsCertificates> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-tls-'));
  const ca = await makeAuthority(folder, 'ca');
  const other = await makeAuthority(folder, 'other-ca');
  return {
    caFile: ca.certFile,
    server: await makeSigned(folder, ca, {
      name: 'server',
      extensions: 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth',
    }),
    client: await makeSigned(folder, ca, { name: 'client', extensions: 'extendedKeyUsage=clientAuth' }),
    otherCaFile: other.certFile,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

async function makeAuthority(folder: string, name: string): Promise<CertificatePair> {
  const pair = pairIn(folder, name);
  const subject = ['-subj', `/CN=rstow test ${name}`, '-days', '2'];
  await run(toolPath('openssl'), ['req', '-x509', ...NEW_KEY, ...subject, '-keyout', pair.keyFile, '-out', pair.certFile]);
  return pair;
}

async function makeSigned(folder: string, ca: CertificatePair, made: { name: string; extensions: string }): Promise<CertificatePair> {
  const pair = pairIn(folder, made.name);
  const requestFile = join(folder, `${made.name}.csr`);
  const extensionsFile = join(folder, `${made.name}.ext`);
  // rustls takes version 3 certificates only, and openssl makes them only with extensions.
  await writeFile(extensionsFile, `basicConstraints=CA:FALSE\n${made.extensions}\n`);
  await run(toolPath('openssl'), ['req', ...NEW_KEY, '-subj', `/CN=${made.name}`, '-keyout', pair.keyFile, '-out', requestFile]);
  const authority = ['-CA', ca.certFile, '-CAkey', ca.keyFile, '-CAcreateserial', '-days', '2'];
  await run(toolPath('openssl'), ['x509', '-req', '-in', requestFile, ...authority, '-extfile', extensionsFile, '-out', pair.certFile]);
  await chmod(pair.keyFile, 0o600);
  return pair;
}

function pairIn(folder: string, name: string): CertificatePair {
  return { certFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
}
