import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { generateKeyAndCsr, inspectCertificate } from '../identity/index.ts';
import { CaClient } from './ca-client.ts';
import {
  type CertificateHandler,
  certificateServiceDefinition,
  createCertificateService,
} from './certificate-service.ts';
import { RpcError, rpcStatus } from './rpc.ts';
import { startTestPlane } from './test-plane.ts';

const ID = 'spiffe://cluster.local/ns/shop/sa/web';

async function authorityPlane(handle: CertificateHandler) {
  return startTestPlane([
    { definition: certificateServiceDefinition, implementation: createCertificateService(handle) },
  ]);
}

test('a node proxy gets a certificate for the identity that it names', async () => {
  const seen: unknown[] = [];
  await using plane = await authorityPlane(async (request, { metadata }) => {
    seen.push(request.impersonatedIdentity, request.ttlSeconds, metadata.get('authorization')[0]);
    const identities = [request.impersonatedIdentity ?? ''];
    const { csrPem, ttlSeconds } = request;
    return (await plane.authority.sign({ csrPem, identities, ttlSeconds, now: new Date() })).chainPem;
  });
  using client = new CaClient(plane.client);
  const { csrPem } = await generateKeyAndCsr(ID);
  const chain = await client.createCertificate(csrPem, ID, 3_600);
  assert.deepEqual(inspectCertificate(chain[0] ?? '').spiffeIds, [ID]);
  assert.equal(chain.at(-1), plane.authority.rootPem);
  assert.deepEqual(seen, [ID, 3_600, 'Bearer t0']);
});

test('a refusal arrives with its status, and a bug of the authority without its text', async () => {
  let refusal: Error = new RpcError(status.UNAUTHENTICATED, 'request impersonation authentication failure');
  await using plane = await authorityPlane(async () => {
    throw refusal;
  });
  using client = new CaClient(plane.client);
  const attempt = async () => {
    try {
      await client.createCertificate('csr', ID, 60);
    } catch (error) {
      return rpcStatus((error as Error).cause);
    }
    return undefined;
  };
  const first = await attempt();
  assert.equal(first?.code, status.UNAUTHENTICATED);
  assert.match(first?.details ?? '', /impersonation/);
  refusal = new Error('secret detail');
  const second = await attempt();
  assert.equal(second?.code, status.INTERNAL);
  assert.doesNotMatch(second?.details ?? '', /secret/);
});

test('a new root file makes a new connection at the next request', async () => {
  await using plane = await authorityPlane(async () => ['leaf', 'root']);
  await using other = await authorityPlane(async () => []);
  let roots = other.client.rootCertificate;
  using client = new CaClient({ ...plane.client, rootCertificate: () => roots() });
  await assert.rejects(client.createCertificate('csr', ID, 60), { code: 'CA_REQUEST_FAILED' });
  roots = plane.client.rootCertificate;
  assert.deepEqual(await client.createCertificate('csr', ID, 60), ['leaf', 'root']);
});

test('plaintext and nonsense addresses are refused, since a token would show', () => {
  for (const address of ['http://istiod:15010', 'https://', '::']) {
    assert.throws(() => new CaClient({ ...nowhere, address }), { code: 'CONTROL_PLANE_ADDRESS_INVALID' });
  }
});
const nowhere = { rootCertificate: async () => 'system' as const, token: async () => undefined, clusterId: '' };
