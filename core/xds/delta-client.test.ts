import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { DeltaClient, type DeltaClientOptions, type DeltaEvent } from './delta-client.ts';
import { discoveryServiceDefinition } from './discovery.ts';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { RpcError } from './rpc.ts';
import type { Rejection, Update } from './subscription.ts';
import { eventually, startTestPlane, type TestPlane } from './test-plane.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from './type-urls.ts';

type Stream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** A server that says only what the test tells it to. */
function scriptedService() {
  const streams: { readonly stream: Stream; readonly requests: DeltaDiscoveryRequest[] }[] = [];
  const service = {
    definition: discoveryServiceDefinition,
    implementation: {
      DeltaAggregatedResources: (stream: Stream) => {
        const requests: DeltaDiscoveryRequest[] = [];
        streams.push({ stream, requests });
        stream.on('data', (request: DeltaDiscoveryRequest) => requests.push(request));
        stream.on('error', () => {});
        stream.on('end', () => stream.end());
      },
    },
  };
  return { streams, service };
}

async function connected(
  scripted: ReturnType<typeof scriptedService>,
  plane: TestPlane,
  overrides: Partial<DeltaClientOptions> = {},
) {
  const updates: { readonly typeUrl: string; readonly update: Update }[] = [];
  const events: DeltaEvent[] = [];
  const waits: number[] = [];
  const reject = new Map<string, string>();
  const client = new DeltaClient({
    ...plane.client,
    node: { id: 'ztunnel~10.0.0.1~z.istio-system~istio-system.svc.cluster.local', metadata: { NODE_NAME: 'n1' } },
    handlers: {
      onUpdate: (typeUrl, update): readonly Rejection[] => {
        updates.push({ typeUrl, update });
        return update.upserted.flatMap(({ name }) => {
          const reason = reject.get(name);
          return reason === undefined ? [] : [{ name, reason }];
        });
      },
    },
    onEvent: (event) => events.push(event),
    sleep: async (ms) => void waits.push(ms),
    ...overrides,
  });
  client.start();
  const stream = async (index: number) => {
    await eventually(
      () => (scripted.streams[index]?.requests.length ?? 0) >= 2,
      `both first requests on stream ${index}`,
    );
    const found = scripted.streams[index];
    assert.ok(found);
    return found;
  };
  return { client, updates, events, waits, reject, stream };
}

function send(stream: Stream, response: MessageInitShape<typeof DeltaDiscoveryResponseSchema>): void {
  stream.write(create(DeltaDiscoveryResponseSchema, response));
}

const resource = (typeUrl: string, name: string, version: string) => ({
  name,
  version,
  resource: { typeUrl, value: Buffer.from(name) },
});

test('the first request of each type carries the node, acknowledgements do not, and both are needed to be synced', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  const { client, updates, stream } = await connected(scripted, plane);
  await using _client = client;
  const { stream: first, requests } = await stream(0);
  assert.deepEqual(
    requests.map((r) => [r.typeUrl, r.node?.metadata, r.resourceNamesSubscribe, r.initialResourceVersions]),
    [
      [ADDRESS_TYPE, { NODE_NAME: 'n1' }, [], {}],
      [AUTHORIZATION_TYPE, { NODE_NAME: 'n1' }, [], {}],
    ],
  );
  assert.equal(first.metadata.get('authorization')[0], 'Bearer t0');
  assert.equal(first.metadata.get('clusterid')[0], 'c1');

  let synced = false;
  void client.synced.then(() => {
    synced = true;
  });
  send(first, { typeUrl: ADDRESS_TYPE, nonce: 'n1', resources: [resource(ADDRESS_TYPE, 'w1', 'v1')] });
  await eventually(() => requests.length === 3, 'an acknowledgement');
  assert.equal(requests[2]?.responseNonce, 'n1');
  assert.equal(requests[2]?.node, undefined);
  assert.equal(requests[2]?.errorDetail, undefined);
  assert.equal(synced, false);
  send(first, { typeUrl: AUTHORIZATION_TYPE, nonce: 'n2' });
  await client.synced;
  assert.deepEqual(
    updates.map((u) => [u.typeUrl, u.update.upserted.map((r) => r.name)]),
    [
      [ADDRESS_TYPE, ['w1']],
      [AUTHORIZATION_TYPE, []],
    ],
  );
});

test('a bad resource is refused by name while the good ones of its response stay', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  const { client, reject, stream } = await connected(scripted, plane);
  await using _client = client;
  const { stream: first, requests } = await stream(0);
  reject.set('bad', 'status: unknown value 9');
  send(first, {
    typeUrl: ADDRESS_TYPE,
    nonce: 'n1',
    resources: [
      resource(ADDRESS_TYPE, 'bad', 'v1'),
      resource(ADDRESS_TYPE, 'good', 'v2'),
      { name: 'empty', version: 'v3' },
      resource(AUTHORIZATION_TYPE, 'other', 'v4'),
    ],
  });
  await eventually(() => requests.length === 3, 'the refusal');
  assert.equal(requests[2]?.responseNonce, 'n1');
  assert.equal(requests[2]?.errorDetail?.code, 0);
  assert.equal(
    requests[2]?.errorDetail?.message,
    `empty: resource: missing; other: resource: is a ${AUTHORIZATION_TYPE}; bad: status: unknown value 9`,
  );
  // one bad resource does not keep the node from being ready with all that is good
  send(first, { typeUrl: AUTHORIZATION_TYPE, nonce: 'n2' });
  await client.synced;
  // after a reconnect only what is held is claimed, so the refused ones come again
  first.emit('error', new RpcError(status.UNAVAILABLE, 'gone'));
  const second = await stream(1);
  assert.deepEqual({ ...second.requests[0]?.initialResourceVersions }, { good: 'v2' });
});

test('after a reconnect versions are echoed, removed names are not, and the token is read again', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  let tokens = 0;
  const token = async () => `t${tokens++}`;
  const { client, stream } = await connected(scripted, plane, { token });
  await using _client = client;
  const first = await stream(0);
  const addresses = ['a', 'b', 'c'].map((name) => resource(ADDRESS_TYPE, name, `v-${name}`));
  send(first.stream, { typeUrl: ADDRESS_TYPE, nonce: '1', resources: addresses });
  send(first.stream, {
    typeUrl: ADDRESS_TYPE,
    nonce: '2',
    resources: [resource(ADDRESS_TYPE, 'a', 'v2'), resource(ADDRESS_TYPE, 'b', 'v2')],
    removedResources: ['b'],
  });
  await eventually(() => first.requests.length === 4, 'two acknowledgements');
  first.stream.end();
  const second = await stream(1);
  assert.deepEqual({ ...second.requests[0]?.initialResourceVersions }, { a: 'v2', c: 'v-c' });
  assert.equal(second.requests[0]?.node?.id, first.requests[0]?.node?.id);
  assert.equal(second.stream.metadata.get('authorization')[0], 'Bearer t1');
});

test('how a stream ends decides how long to wait before the next', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  const { client, events, waits, stream } = await connected(scripted, plane);
  await using _client = client;
  const endings: readonly (readonly [status, string])[] = [
    [status.UNAVAILABLE, 'overloaded'],
    [status.RESOURCE_EXHAUSTED, 'slow down'],
    [status.UNAVAILABLE, 'Received prior GOAWAY'],
    [status.PERMISSION_DENIED, 'no'],
    [status.CANCELLED, 'bye'],
    [status.INTERNAL, 'oops'],
  ];
  for (const [index, [code, details]] of endings.entries()) {
    (await stream(index)).stream.emit('error', new RpcError(code, details));
  }
  await stream(endings.length);
  assert.deepEqual(waits, [20, 40, 10, 20, 10, 20]);
  const reasons = events.flatMap((e) => (e.kind === 'terminated' ? [e.reason] : []));
  assert.deepEqual(reasons, [
    'ConnectionError',
    'ConnectionError',
    'Reconnect',
    'ConnectionError',
    'Reconnect',
    'ConnectionError',
  ]);
});

test('a control plane that is away is dialled ever more slowly, and its return is found', async () => {
  const scripted = scriptedService();
  const plane = await startTestPlane([scripted.service]);
  let revived: TestPlane | undefined;
  plane.kill();
  const waits: number[] = [];
  const sleep = async (ms: number) => {
    waits.push(ms);
    if (waits.length === 3) revived = await startTestPlane([scripted.service], plane);
  };
  const { client, stream } = await connected(scripted, plane, { sleep });
  await using _client = client;
  await stream(0);
  assert.deepEqual(waits.slice(0, 3), [20, 40, 80]);
  revived?.kill();
});

test('a root that cannot be read is an attempt that failed, not the end', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  let reads = 0;
  const rootCertificate = async () => {
    reads += 1;
    if (reads < 3) throw new Error('ENOENT');
    return plane.client.rootCertificate();
  };
  const { client, waits, stream } = await connected(scripted, plane, { rootCertificate });
  await using _client = client;
  await stream(0);
  assert.deepEqual(waits, [20, 40]);
});

test('a server that another authority signed is not spoken to', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  await using other = await startTestPlane([]);
  const { client, events } = await connected(scripted, plane, { rootCertificate: other.client.rootCertificate });
  await using _client = client;
  await eventually(() => events.some((e) => e.kind === 'terminated'), 'a refusal');
  assert.equal(scripted.streams.length, 0);
});

test('on demand: nothing at first, one name at a time, shared by all who ask', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  const types = [{ typeUrl: ADDRESS_TYPE, onDemand: true }, { typeUrl: AUTHORIZATION_TYPE }];
  const { client, stream } = await connected(scripted, plane, { types });
  await using _client = client;
  const { stream: first, requests } = await stream(0);
  assert.deepEqual(requests[0]?.resourceNamesSubscribe, ['*']);
  assert.deepEqual(requests[0]?.resourceNamesUnsubscribe, ['*']);
  send(first, { typeUrl: AUTHORIZATION_TYPE, nonce: 'p' });
  await client.synced; // authorizations alone

  const asked = [client.demand(ADDRESS_TYPE, 'u1'), client.demand(ADDRESS_TYPE, 'u1')];
  const gone = client.demand(ADDRESS_TYPE, '/10.0.0.9');
  await eventually(() => requests.length === 5, 'one request for each name');
  assert.deepEqual(
    requests.slice(3).map((r) => [r.resourceNamesSubscribe, r.node]),
    [
      [['u1'], undefined],
      [['/10.0.0.9'], undefined],
    ],
  );
  send(first, {
    typeUrl: ADDRESS_TYPE,
    nonce: 'a',
    resources: [resource(ADDRESS_TYPE, 'u1', 'v1')],
    removedResources: ['/10.0.0.9'],
  });
  await Promise.all([...asked, gone]);

  void client.demand(ADDRESS_TYPE, 'u2').catch(() => {});
  await eventually(() => requests.at(-1)?.resourceNamesSubscribe[0] === 'u2', 'the demand');
  first.end();
  const second = await stream(1);
  assert.deepEqual({ ...second.requests[0]?.initialResourceVersions }, { u1: 'v1', u2: '' });
  const patience = AbortSignal.abort(new Error('no longer wanted'));
  await assert.rejects(client.demand(ADDRESS_TYPE, 'u3', patience), /no longer wanted/);
});

test('a response of a type nobody asked for is acknowledged', async () => {
  const scripted = scriptedService();
  await using plane = await startTestPlane([scripted.service]);
  const { client, events, stream } = await connected(scripted, plane);
  await using _client = client;
  const { stream: first, requests } = await stream(0);
  send(first, { typeUrl: 'T', nonce: 'x' });
  await eventually(() => requests.length === 3, 'an acknowledgement');
  assert.deepEqual([requests[2]?.typeUrl, requests[2]?.responseNonce, requests[2]?.errorDetail], ['T', 'x', undefined]);
  assert.ok(events.some((e) => e.kind === 'unknown-type' && e.typeUrl === 'T'));
});
