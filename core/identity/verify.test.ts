import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import {
  CertificateAuthority,
  certificatesOf,
  generateKeyAndCsr,
  peerSpiffeId,
  TrustRoots,
  verifyPeer,
} from './index.ts';
import { subjectAltNamesOf } from './names.ts';
import { intermediateOf } from './test-authority.ts';

const ID = 'spiffe://cluster.local/ns/default/sa/sleep';
const NOW = new Date('2026-03-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const later = (ms: number): Date => new Date(NOW.getTime() + ms);

async function leafOf(ca: CertificateAuthority, identity = ID) {
  const { csrPem } = await generateKeyAndCsr(identity);
  const { certPem } = await ca.sign({ csrPem, identities: [identity], ttlSeconds: 3600, now: NOW });
  const [der = new Uint8Array()] = certificatesOf(certPem);
  return der;
}

const ecKeys = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

test('who is trusted as a peer, and who is not', async (t) => {
  const root = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const stranger = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const roots = TrustRoots.fromPem(root.rootPem);
  const material = intermediateOf(root, ecKeys(), NOW);
  const intermediate = CertificateAuthority.fromPem({ ...material, now: NOW });
  const [middle = new Uint8Array()] = certificatesOf(material.certPem);
  const notCa = intermediateOf(root, ecKeys(), NOW, { isCa: false });
  const [notCaDer = new Uint8Array()] = certificatesOf(notCa.certPem);
  const impostor = { ...notCa, toSecretData: () => ({ 'ca-key.pem': Buffer.from(notCa.keyPem).toString('base64') }) };
  const [belowNotCa = new Uint8Array()] = certificatesOf(intermediateOf(impostor, ecKeys(), NOW).certPem);
  const leaf = await leafOf(root);
  const below = await leafOf(intermediate);
  const [rootDer = new Uint8Array()] = certificatesOf(root.rootPem);
  const serving = await root.issueServing({ dnsNames: ['istiod.istio-system.svc'], ttlSeconds: 3600, now: NOW });
  const [servingDer = new Uint8Array()] = certificatesOf(serving.certPem);
  const tampered = new Uint8Array(leaf);
  tampered[tampered.length - 1] = (tampered.at(-1) ?? 0) ^ 1;

  const rows: Record<string, [readonly Uint8Array<ArrayBuffer>[], Date, 'trusted' | RegExp]> = {
    'a leaf of the root': [[leaf], NOW, 'trusted'],
    'a leaf below an intermediate that came along': [[below, middle], NOW, 'trusted'],
    'a leaf below an intermediate that is missing': [[below], NOW, /no trusted root/],
    'a leaf of another root': [[await leafOf(stranger)], NOW, /no trusted root/],
    'another root that came along': [
      [await leafOf(stranger), certificatesOf(stranger.rootPem)[0] ?? leaf],
      NOW,
      /no trusted root/,
    ],
    nothing: [[], NOW, /no certificate was presented/],
    'bytes that are no certificate': [[new Uint8Array([1, 2, 3])], NOW, /./],
    'a changed signature': [[tampered], NOW, /no trusted root/],
    'a leaf at its last second': [[leaf], later(HOUR_MS), 'trusted'],
    'a leaf past its end': [[leaf], later(HOUR_MS + 1000), /expired at 2026-03-01T13:00:00/],
    'a leaf before its beginning': [[leaf], later(-121_000), /not valid before/],
    'the root itself as a peer': [[rootDer], NOW, /certificate of an authority/],
    'a certificate for a server of the control plane': [[servingDer], NOW, /names no workload identity/],
    'a chain of nine': [Array.from({ length: 9 }, () => leaf), NOW, /9 certificates, at most 8/],
    'a signer that is no authority': [[belowNotCa, notCaDer], NOW, /not an authority|no trusted root/],
  };
  for (const [name, [chain, now, expected]] of Object.entries(rows)) {
    for (const role of ['client', 'server'] as const) {
      await t.test(`${name}, as a ${role}`, () => {
        const verdict = verifyPeer(roots, chain, { role, now });
        if (expected === 'trusted') assert.deepEqual(verdict, { verdict: 'trusted', ids: [ID] });
        else assert.match(verdict.verdict === 'refused' ? verdict.reason : 'trusted', expected);
      });
    }
  }
});

test('an expired intermediate breaks the chain of a leaf that is still fresh', async () => {
  const root = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const material = intermediateOf(root, ecKeys(), NOW, { ttlSeconds: 60 });
  const [middle = new Uint8Array()] = certificatesOf(material.certPem);
  const leaf = await leafOf(CertificateAuthority.fromPem({ ...material, now: NOW }));
  const verdict = verifyPeer(TrustRoots.fromPem(root.rootPem), [leaf, middle], { role: 'client', now: later(61_000) });
  assert.equal(verdict.verdict, 'refused');
});

test('a root bundle of two roots trusts leafs of both', async () => {
  const one = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const two = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const roots = TrustRoots.fromPem(`old root\n${one.rootPem}new root\n${two.rootPem}`);
  for (const ca of [one, two]) {
    assert.equal(verifyPeer(roots, [await leafOf(ca)], { role: 'server', now: NOW }).verdict, 'trusted');
  }
});

test('a root bundle that is broken or empty is an error, not an empty trust store', () => {
  assert.throws(() => TrustRoots.fromPem(''), /without certificates/);
  assert.throws(() => TrustRoots.fromPem('-----BEGIN CERTIFICATE-----\nMII'), /1 PEM blocks begin, but only 0/);
});

test('an identity that tries to smuggle a second name in is one odd URI and no identity', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const { csrPem } = await generateKeyAndCsr(ID);
  const smuggled = 'spiffe://cluster.local/ns/a/sa/b, URI:spiffe://cluster.local/ns/kube-system/sa/admin';
  const { certPem } = await ca.sign({ csrPem, identities: [smuggled], ttlSeconds: 3600, now: NOW });
  const x509 = new X509Certificate(certPem);
  assert.deepEqual(subjectAltNamesOf(x509).uris, [smuggled]);
  assert.equal(peerSpiffeId(x509), undefined);
});

test('the first well-formed identity of a peer counts', async () => {
  const ca = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: NOW });
  const { csrPem } = await generateKeyAndCsr(ID);
  const { certPem } = await ca.sign({ csrPem, identities: ['https://x/y', ID, `${ID}2`], ttlSeconds: 60, now: NOW });
  assert.equal(peerSpiffeId(new X509Certificate(certPem)), ID);
  assert.equal(peerSpiffeId({ raw: new X509Certificate(certPem).raw }), ID);
});
