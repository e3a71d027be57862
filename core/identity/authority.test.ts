import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { MeshError } from '../../mesh/index.ts';
import { RSA_CSR_ASKING_FOR_ADMIN } from './csr-samples.ts';
import { CertificateAuthority, generateKeyAndCsr, inspectCertificate, pemBlocks } from './index.ts';
import { parseCertificate } from './parsed-certificate.ts';
import { intermediateOf } from './test-authority.ts';

const ID = 'spiffe://cluster.local/ns/default/sa/sleep';
const NOW = new Date('2026-03-01T12:00:00.400Z');
const DAY = 86_400;

const code = (expected: string, message: RegExp) => (error: unknown) =>
  error instanceof MeshError && error.code === expected && message.test(error.message);

test('a leaf carries only the identities we decided on, in a critical SAN, whatever the request claims', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const signed = await ca.sign({ csrPem: RSA_CSR_ASKING_FOR_ADMIN, identities: [ID], ttlSeconds: DAY, now: NOW });
  const facts = inspectCertificate(signed.certPem);
  assert.deepEqual(facts.uris, [ID]);
  assert.deepEqual(facts.spiffeIds, [ID]);
  assert.deepEqual(facts.dnsNames, []);
  assert.equal(facts.isCa, false);
  assert.equal(facts.subject, `CN=${ID}`); // the request had a common name, so the first identity takes its place
  assert.match(signed.serial, /^[0-9a-f]{26,32}$/);
  assert.equal(facts.serial, signed.serial);
  const parsed = parseCertificate(new Uint8Array(pemBlocks(signed.certPem)[0]?.der ?? []));
  assert.deepEqual(parsed.purposes, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.equal(parsed.maySign, false);
  const leaf = new X509Certificate(signed.certPem);
  const root = new X509Certificate(ca.rootPem);
  assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey));
  assert.deepEqual(signed.chainPem, [signed.certPem, ca.rootPem]);
});

test('a name without parts is an empty sequence, as strict parsers demand', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const { csrPem } = await generateKeyAndCsr(ID);
  const { certPem } = await ca.sign({ csrPem, identities: [ID], ttlSeconds: DAY, now: NOW });
  const emptySet = Buffer.from('30023100', 'hex');
  for (const pem of [csrPem, certPem]) {
    assert.equal(Buffer.from(pemBlocks(pem)[0]?.der ?? []).indexOf(emptySet), -1);
  }
});

test('a leaf starts two minutes ago and ends after its time to live, but never after its signer', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const { csrPem } = await generateKeyAndCsr(ID);
  const signed = await ca.sign({ csrPem, identities: [ID], ttlSeconds: 3600, now: NOW });
  assert.equal(signed.notBefore.toISOString(), '2026-03-01T11:58:00.000Z');
  assert.equal(signed.notAfter.toISOString(), '2026-03-01T13:00:00.000Z');
  const late = new Date(ca.notAfter.getTime() - 60_000);
  const clamped = await ca.sign({ csrPem, identities: [ID], ttlSeconds: 3600, now: late });
  assert.deepEqual(clamped.notAfter, ca.notAfter);
  await assert.rejects(
    ca.sign({ csrPem, identities: [ID], ttlSeconds: 3600, now: ca.notAfter }),
    code('CA_EXPIRED', /ended at/),
  );
});

test('a long identity stays out of the common name', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const long = `spiffe://cluster.local/ns/default/sa/${'a'.repeat(60)}`;
  const signed = await ca.sign({ csrPem: RSA_CSR_ASKING_FOR_ADMIN, identities: [long], ttlSeconds: DAY, now: NOW });
  assert.equal(inspectCertificate(signed.certPem).subject, '');
});

test('a root survives the way through its Secret, and signs on', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const again = CertificateAuthority.fromSecretData(ca.toSecretData(), NOW);
  assert.equal(again.rootPem, ca.rootPem);
  const { csrPem } = await generateKeyAndCsr(ID);
  const signed = await again.sign({ csrPem, identities: [ID], ttlSeconds: DAY, now: NOW });
  assert.ok(new X509Certificate(signed.certPem).verify(new X509Certificate(ca.rootPem).publicKey));
});

for (const type of ['rsa', 'ec-p384'] as const) {
  test(`a plugged-in ${type} intermediate is accepted and sent between leaf and root`, async () => {
    const root = await CertificateAuthority.selfSigned({ trustDomain: 'corp', now: NOW });
    const keys =
      type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    const material = intermediateOf(root, keys, NOW);
    const ca = CertificateAuthority.fromPem({ ...material, now: NOW });
    const { csrPem } = await generateKeyAndCsr(ID);
    const signed = await ca.sign({ csrPem, identities: [ID], ttlSeconds: DAY, now: NOW });
    assert.deepEqual(signed.chainPem, [signed.certPem, material.certPem, root.rootPem]);
    const leaf = new X509Certificate(signed.certPem);
    assert.ok(leaf.verify(new X509Certificate(material.certPem).publicKey));
  });
}

test('keys in the old PEM forms (SEC 1, PKCS #1) work, too', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const secret = ca.toSecretData();
  const pkcs8 = createPrivateKey(Buffer.from(secret['ca-key.pem'] ?? '', 'base64'));
  const sec1 = pkcs8.export({ type: 'sec1', format: 'pem' }).toString();
  const data = { ...secret, 'ca-key.pem': Buffer.from(sec1).toString('base64') };
  assert.equal(CertificateAuthority.fromSecretData(data, NOW).rootPem, ca.rootPem);
});

test('material that does not fit together is refused naming the part', async (t) => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const other = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const { csrPem } = await generateKeyAndCsr(ID);
  const leaf = await ca.sign({ csrPem, identities: [ID], ttlSeconds: DAY, now: NOW });
  const good = ca.toSecretData();
  const b64 = (text: string): string => Buffer.from(text).toString('base64');
  const rows: Record<string, [Record<string, string>, RegExp]> = {
    'no certificate': [{ ...good, 'ca-cert.pem': '' }, /ca-cert\.pem is missing/],
    'no key': [{ ...good, 'ca-key.pem': '' }, /ca-key\.pem is missing/],
    'a key that is no key': [{ ...good, 'ca-key.pem': b64('hello') }, /ca-key\.pem can't be read/],
    "somebody else's key": [
      { ...good, 'ca-key.pem': other.toSecretData()['ca-key.pem'] ?? '' },
      /ca-key\.pem does not belong to ca-cert\.pem/,
    ],
    'a leaf as signer': [{ ...good, 'ca-cert.pem': b64(leaf.certPem) }, /not the certificate of an authority/],
    'a root that did not sign': [
      { ...good, 'root-cert.pem': b64(other.rootPem) },
      /cert-chain\.pem no trusted root signed the chain/,
    ],
  };
  for (const [name, [data, reason]] of Object.entries(rows)) {
    await t.test(name, () => {
      assert.throws(() => CertificateAuthority.fromSecretData(data, NOW), code('CA_MATERIAL_INVALID', reason));
    });
  }
  await t.test('an expired root', () => {
    const late = new Date(NOW.getTime() + 3651 * DAY * 1000);
    assert.throws(() => CertificateAuthority.fromSecretData(good, late), code('CA_MATERIAL_INVALID', /is valid from/));
  });
});

test('a serving certificate names its DNS names and no workload', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const serving = await ca.issueServing({ dnsNames: ['istiod.istio-system.svc'], ttlSeconds: DAY, now: NOW });
  const facts = inspectCertificate(serving.certPem);
  assert.deepEqual(facts.dnsNames, ['istiod.istio-system.svc']);
  assert.deepEqual(facts.uris, []);
  assert.ok(new X509Certificate(serving.certPem).checkPrivateKey(createPrivateKey(serving.keyPem)));
});
