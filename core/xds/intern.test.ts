import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Address, mustParseIp, type Workload } from '../../mesh/index.ts';
import { decodeAddress, encodeAddress } from './index.ts';

const ports = (targetPort: number) => [{ servicePort: 80, targetPort, appProtocol: 'TCP' }] as const;

function received(uid: string, services: Workload['services']): Workload {
  const workload: Workload = {
    uid,
    name: uid,
    namespace: 'shop',
    addresses: [mustParseIp('10.0.0.1')],
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: 'web',
    node: 'n1',
    canonicalName: 'web',
    canonicalRevision: 'v1',
    workloadType: 'DEPLOYMENT',
    workloadName: 'web',
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: 'c',
    hostname: '',
    services,
    locality: { region: 'r', zone: 'z', subzone: '' },
    networkMode: 'STANDARD',
    capacity: 1,
  };
  const address: Address = decodeAddress(encodeAddress({ kind: 'workload', workload }));
  assert.deepEqual(address, { kind: 'workload', workload });
  assert.equal(address.kind, 'workload');
  return address.kind === 'workload' ? address.workload : workload;
}

test('endpoints with the same services, ports and place share what says so', () => {
  const one = received('a', new Map([['shop/web', ports(8080)]]));
  const other = received('b', new Map([['shop/web', ports(8080)]]));
  assert.equal(one.services, other.services);
  assert.equal(one.locality, other.locality);
});

test('endpoints that differ in a target port or in a service share no list', () => {
  const one = received('a', new Map([['shop/web', ports(8080)]]));
  assert.notEqual(received('b', new Map([['shop/web', ports(8081)]])).services, one.services);
  assert.notEqual(received('c', new Map([['shop/web, more', ports(8080)]])).services, one.services);
});

test('more kinds than a table holds are still what they are', () => {
  for (let i = 0; i < 20_000; i += 1) {
    const key = `shop/s${i}`;
    if (i % 1_000 === 0) received('a', new Map([[key, ports(i)]]));
    else
      decodeAddress(encodeAddress({ kind: 'workload', workload: { ...base, services: new Map([[key, ports(i)]]) } }));
  }
});

const base = received('base', new Map());
