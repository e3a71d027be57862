import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, type ClientDuplexStream, Metadata, status } from '@grpc/grpc-js';
import { discoveryServiceDefinition } from './discovery.ts';
import { createDiscoveryService, type DiscoveryServiceOptions } from './discovery-service.ts';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { ResourceStore } from './resource-store.ts';
import { openChannel, RpcError } from './rpc.ts';
import { eventually, startTestPlane } from './test-plane.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from './type-urls.ts';

const NODE = { id: 'ztunnel~10.0.0.1~z.istio-system~istio-system.svc.cluster.local', metadata: { NODE_NAME: 'n1' } };
const data = (text: string) => Buffer.from(text);

async function plane(options: Partial<DiscoveryServiceOptions<string>> = {}) {
  const authorizations = new ResourceStore(AUTHORIZATION_TYPE);
  const addresses = new ResourceStore(ADDRESS_TYPE);
  const nacks: string[] = [];
  const service = createDiscoveryService<string>({
    stores: [authorizations, addresses],
    authenticate: async (metadata) => {
      if (metadata.get('authorization')[0] !== 'Bearer good') throw new Error('no such token');
      return 'istio-system/ztunnel';
    },
    authorize: () => ({ kind: 'all' }),
    onNack: (_caller, _type, message) => nacks.push(message),
    orderWaitMs: 20,
    ...options,
  });
  const running = await startTestPlane([service]);
  const clients: Client[] = [];
  const connect = async (token = 'good') => {
    const roots = await running.client.rootCertificate();
    const client = openChannel(running.client, roots);
    clients.push(client);
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    const { path, requestSerialize, responseDeserialize } = discoveryServiceDefinition.DeltaAggregatedResources;
    const stream: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
    );
    const responses: DeltaDiscoveryResponse[] = [];
    const { promise: failed, resolve } = Promise.withResolvers<status>();
    stream.on('data', (response: DeltaDiscoveryResponse) => responses.push(response));
    stream.on('error', (error) => resolve('code' in error ? (error.code as status) : status.UNKNOWN));
    const send = (request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>) =>
      stream.write(create(DeltaDiscoveryRequestSchema, request));
    const response = async (index: number) => {
      await eventually(() => responses.length > index, `response ${index}`);
      const found = responses[index];
      assert.ok(found);
      return found;
    };
    return { stream, responses, send, response, failed };
  };
  return {
    addresses,
    authorizations,
    service,
    nacks,
    connect,
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await running[Symbol.asyncDispose]();
    },
  };
}

const names = (response: DeltaDiscoveryResponse) => [
  response.typeUrl === ADDRESS_TYPE ? 'addresses' : 'authorizations',
  response.resources.map((r) => r.name).sort(),
  [...response.removedResources].sort(),
];

test('policies are answered before the addresses that name them, although they are asked for after', async () => {
  await using mesh = await plane();
  mesh.addresses.set('w1', data('w1'));
  mesh.authorizations.set('ns/p', data('p'));
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  client.send({ node: NODE, typeUrl: AUTHORIZATION_TYPE });
  assert.deepEqual(names(await client.response(0)), ['authorizations', ['ns/p'], []]);
  assert.deepEqual(names(await client.response(1)), ['addresses', ['w1'], []]);
  const [connected] = mesh.service.clients();
  assert.equal(connected?.caller, 'istio-system/ztunnel');
  assert.equal(connected?.node?.metadata['NODE_NAME'], 'n1');
});

test('who asks for addresses alone is not kept waiting for policies', async () => {
  await using mesh = await plane();
  mesh.addresses.set('w1', data('w1'));
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  assert.deepEqual(names(await client.response(0)), ['addresses', ['w1'], []]);
});

test('a type that is asked for when the wait for others is over is answered as it comes', async () => {
  const third = new ResourceStore('type.googleapis.com/third');
  const stores = [new ResourceStore(AUTHORIZATION_TYPE), new ResourceStore(ADDRESS_TYPE), third];
  await using mesh = await plane({ stores, orderWaitMs: 1 });
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  await client.response(0); // after the wait: policies were never asked for
  client.send({ typeUrl: third.typeUrl });
  assert.equal((await client.response(1)).typeUrl, third.typeUrl);
});

test('new policies travel before the addresses that name them, and removed ones after', async () => {
  await using mesh = await plane();
  mesh.addresses.set('w1', data('names nothing'));
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  client.send({ node: NODE, typeUrl: AUTHORIZATION_TYPE });
  await client.response(1);
  mesh.addresses.set('w1', data('names ns/p'));
  mesh.authorizations.set('ns/p', data('p'));
  assert.deepEqual(names(await client.response(2)), ['authorizations', ['ns/p'], []]);
  assert.deepEqual(names(await client.response(3)), ['addresses', ['w1'], []]);
  mesh.authorizations.delete('ns/p');
  mesh.addresses.set('w1', data('names nothing'));
  mesh.addresses.delete('never-there');
  assert.deepEqual(names(await client.response(4)), ['addresses', ['w1'], []]);
  assert.deepEqual(names(await client.response(5)), ['authorizations', [], ['ns/p']]);
});

test('after a reconnect equal versions are skipped and names that are gone are removed', async () => {
  await using mesh = await plane();
  for (const name of ['same', 'changed', 'unclaimed']) mesh.addresses.set(name, data(name));
  const same = mesh.addresses.get('same')?.version ?? '';
  assert.match(same, /^[0-9a-f]{16}$/);
  const client = await mesh.connect();
  client.send({
    node: NODE,
    typeUrl: ADDRESS_TYPE,
    initialResourceVersions: { same, changed: '0000000000000000', gone: '1111111111111111' },
  });
  client.send({ node: NODE, typeUrl: AUTHORIZATION_TYPE, initialResourceVersions: { 'ns/gone': '' } });
  assert.deepEqual(names(await client.response(0)), ['authorizations', [], ['ns/gone']]);
  assert.deepEqual(names(await client.response(1)), ['addresses', ['changed', 'unclaimed'], ['gone']]);
});

test('every first request is answered, even with nothing in it, and an acknowledgement never is', async () => {
  await using mesh = await plane();
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  client.send({ node: NODE, typeUrl: AUTHORIZATION_TYPE });
  client.send({ node: NODE, typeUrl: 'type.googleapis.com/unknown' });
  await client.response(2);
  assert.deepEqual(
    client.responses.map((r) => r.resources.length + r.removedResources.length),
    [0, 0, 0],
  );
  for (const { typeUrl, nonce } of client.responses) client.send({ typeUrl, responseNonce: nonce });
  mesh.addresses.set('w1', data('w1')); // the next thing to arrive is this push
  const push = await client.response(3);
  assert.deepEqual(names(push), ['addresses', ['w1'], []]);
  client.send({ typeUrl: push.typeUrl, responseNonce: push.nonce });
  await eventually(
    () => [...(mesh.service.clients()[0]?.types.values() ?? [])].every((t) => t.ackedNonce !== ''),
    'acknowledgements seen',
  );
});

test('a refusal is told to the operator and nothing is sent again until something changes', async () => {
  await using mesh = await plane();
  mesh.addresses.set('w1', data('w1'));
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  const { nonce } = await client.response(0);
  client.send({ typeUrl: ADDRESS_TYPE, responseNonce: 'stale', errorDetail: { message: 'not counted' } });
  client.send({ typeUrl: ADDRESS_TYPE, responseNonce: nonce, errorDetail: { message: 'w1: status: bad' } });
  await eventually(() => mesh.nacks.length > 0, 'the refusal');
  assert.deepEqual(mesh.nacks, ['w1: status: bad']);
  assert.equal(mesh.service.clients()[0]?.types.get(ADDRESS_TYPE)?.refusal, 'w1: status: bad');
  mesh.addresses.set('w1', data('better'));
  assert.deepEqual(names(await client.response(1)), ['addresses', ['w1'], []]);
});

test('a star asks for everything, now and later; single names ask for those only', async () => {
  await using mesh = await plane();
  for (const name of ['a', 'b']) mesh.addresses.set(name, data(name));
  const all = await mesh.connect();
  all.send({ node: NODE, typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*'] });
  assert.deepEqual(names(await all.response(0)), ['addresses', ['a', 'b'], []]);
  const one = await mesh.connect();
  one.send({ node: NODE, typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['a'] });
  assert.deepEqual(names(await one.response(0)), ['addresses', ['a'], []]);
  mesh.addresses.set('c', data('c'));
  assert.deepEqual(names(await all.response(1)), ['addresses', ['c'], []]);
  one.send({ typeUrl: ADDRESS_TYPE, resourceNamesUnsubscribe: ['a'] });
  assert.deepEqual(names(await one.response(1)), ['addresses', [], []]);
  mesh.addresses.set('a', data('changed'));
  assert.deepEqual(names(await all.response(2)), ['addresses', ['a'], []]);
  assert.equal(one.responses.length, 2);
});

test('setting the same bytes again sends nothing', async () => {
  await using mesh = await plane();
  mesh.addresses.set('w1', data('w1'));
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  await client.response(0);
  mesh.addresses.set('w1', data('w1'));
  mesh.addresses.set('w2', data('w2'));
  assert.deepEqual(names(await client.response(1)), ['addresses', ['w2'], []]);
});

test('on demand: a name, an alias or a service brings the service with its workloads, and they stay up to date', async () => {
  await using mesh = await plane({ baseline: () => ['local'] });
  mesh.addresses.set('ns/svc', data('svc'), { aliases: ['/10.96.0.1'] });
  mesh.addresses.set('w1', data('w1'), { aliases: ['/10.0.0.1'], groups: ['ns/svc'] });
  mesh.addresses.set('other', data('other'), { aliases: ['/10.0.0.2'] });
  mesh.addresses.set('local', data('local'));
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] });
  assert.deepEqual(names(await client.response(0)), ['addresses', ['local'], []]);
  client.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['/10.96.0.1', '/10.9.9.9'] });
  const answer = await client.response(1);
  assert.deepEqual(names(answer), ['addresses', ['ns/svc', 'w1'], ['/10.9.9.9']]);
  assert.deepEqual(answer.resources.find((r) => r.name === 'ns/svc')?.aliases, ['/10.96.0.1']);
  mesh.addresses.set('other', data('changed, and not asked for'));
  mesh.addresses.set('w2', data('w2'), { groups: ['ns/svc'] });
  assert.deepEqual(names(await client.response(2)), ['addresses', ['w2'], []]);
  mesh.addresses.set('late', data('late'), { aliases: ['/10.9.9.9'] });
  assert.deepEqual(names(await client.response(3)), ['addresses', ['late'], []]);
  mesh.addresses.delete('w1');
  assert.deepEqual(names(await client.response(4)), ['addresses', [], ['w1']]);
  client.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['nobody'] });
  assert.deepEqual(names(await client.response(5)), ['addresses', [], ['nobody']]);
});

test('a caller sees only what it may see', async () => {
  const visible = new Set(['mine']);
  await using mesh = await plane({ authorize: () => ({ kind: 'only', allows: (name) => visible.has(name) }) });
  mesh.addresses.set('mine', data('mine'));
  mesh.addresses.set('theirs', data('theirs'));
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE, initialResourceVersions: { theirs: 'x' } });
  assert.deepEqual(names(await client.response(0)), ['addresses', ['mine'], ['theirs']]);
  mesh.addresses.set('theirs', data('changed'));
  mesh.addresses.delete('theirs');
  visible.clear();
  mesh.addresses.set('mine', data('changed'));
  assert.deepEqual(names(await client.response(1)), ['addresses', [], ['mine']]);
});

test('who cannot prove who it is, may not have the type, or names no node, gets a status that says so', async () => {
  await using mesh = await plane({
    authorize: (_caller, typeUrl) =>
      typeUrl === ADDRESS_TYPE ? { kind: 'all' } : { kind: 'denied', reason: 'not for waypoints' },
  });
  const stranger = await mesh.connect('bad');
  stranger.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  assert.equal(await stranger.failed, status.UNAUTHENTICATED);
  const denied = await mesh.connect();
  denied.send({ node: NODE, typeUrl: AUTHORIZATION_TYPE });
  assert.equal(await denied.failed, status.PERMISSION_DENIED);
  const nameless = await mesh.connect();
  nameless.send({ typeUrl: ADDRESS_TYPE });
  assert.equal(await nameless.failed, status.INVALID_ARGUMENT);
  await eventually(() => mesh.service.clients().length === 0, 'no client left');
});

test('an error of the authentication that has a status keeps it', async () => {
  await using mesh = await plane({
    authenticate: async () => {
      throw new RpcError(status.UNAVAILABLE, 'the API server is away');
    },
  });
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  assert.equal(await client.failed, status.UNAVAILABLE);
});

test('changes made while a client does not read arrive as their latest state', async () => {
  await using mesh = await plane();
  const client = await mesh.connect();
  client.send({ node: NODE, typeUrl: ADDRESS_TYPE });
  await client.response(0);
  client.stream.pause();
  const big = (i: number) => Buffer.alloc(1 << 20, String(i % 10));
  let pushed = 0;
  for (let i = 0; i < 64; i += 1) {
    mesh.addresses.set('big', big(i));
    await new Promise((resolve) => setImmediate(resolve));
    pushed += 1;
  }
  mesh.addresses.set('last', data('last'));
  client.stream.resume();
  await eventually(() => client.responses.some((r) => r.resources.some((x) => x.name === 'last')), 'the last one');
  const versions = client.responses.flatMap((r) => r.resources.filter((x) => x.name === 'big').map((x) => x.version));
  assert.equal(versions.at(-1), mesh.addresses.get('big')?.version);
  assert.ok(versions.length < pushed, `${versions.length} pushes of ${pushed} states`);
});
