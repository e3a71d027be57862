import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CertificateAuthority,
  certificatesOf,
  generateKeyAndCsr,
  TrustRoots,
  verifyPeer,
} from '../core/identity/index.ts';
import { intermediateOf } from '../core/identity/test-authority.ts';
import { type Clock, SYSTEM_CLOCK } from './clock.ts';
import { startMesh, ztunnelOn } from './test-mesh.ts';

const MINUTE_MS = 60_000;
const SLEEP = 'spiffe://cluster.local/ns/default/sa/sleep';

/** Real time, but for the looks at files and certificates, which happen when the test says so. */
function minuteByMinute(): { readonly clock: Clock; readonly minute: () => void } {
  const waiting = new Set<() => void>();
  const clock: Clock = {
    now: SYSTEM_CLOCK.now,
    delay: (ms, signal) => {
      if (ms !== MINUTE_MS) return SYSTEM_CLOCK.delay(ms, signal);
      return new Promise((resolve, reject) => {
        waiting.add(resolve);
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  };
  const minute = (): void => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  return { clock, minute };
}

test('a plugged-in intermediate is exchanged while the mesh runs, and another root is not', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-cacerts-'));
  const plug = (root: CertificateAuthority): string => {
    const material = intermediateOf(root, generateKeyPairSync('ec', { namedCurve: 'prime256v1' }), new Date());
    writeFileSync(join(dir, 'ca-cert.pem'), material.certPem);
    writeFileSync(join(dir, 'ca-key.pem'), material.keyPem);
    writeFileSync(join(dir, 'cert-chain.pem'), material.chainPem);
    writeFileSync(join(dir, 'root-cert.pem'), material.rootPem);
    return material.certPem;
  };
  try {
    const root = await CertificateAuthority.selfSigned({ trustDomain: 'corp', now: new Date() });
    const first = plug(root);
    const { clock, minute } = minuteByMinute();
    await using mesh = await startMesh({ ROOT_CA_DIR: dir }, () => {}, clock);
    ztunnelOn(mesh, 'node-1');
    mesh.pod({ name: 'sleep-1', serviceAccount: 'sleep' });
    const signer = async (): Promise<string | undefined> => {
      const { csrPem } = await generateKeyAndCsr(SLEEP);
      const chain = await mesh.ca({}).createCertificate(csrPem, SLEEP, 3_600);
      const presented = chain.slice(0, -1).flatMap((pem) => [...certificatesOf(pem)]);
      const verdict = verifyPeer(TrustRoots.fromPem(root.rootPem), presented, { role: 'client', now: new Date() });
      assert.equal(verdict.verdict, 'trusted');
      return chain[1];
    };
    assert.equal(await signer(), first);
    const second = plug(root);
    minute();
    await mesh.logged('signing certificate changed');
    assert.notEqual(new X509Certificate(first).serialNumber, new X509Certificate(second).serialNumber);
    assert.equal(await signer(), second);

    plug(await CertificateAuthority.selfSigned({ trustDomain: 'corp', now: new Date() }));
    minute();
    await mesh.logged('root-cert.pem differs from the root in use');
    assert.equal(await signer(), second);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
