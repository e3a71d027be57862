import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadBalancing } from '../model.ts';
import { fill, ip, seeded, service, shuffled, viewOf, workload } from '../test-support.ts';
import { View } from './view.ts';

const LOCAL = 'default/echo.default.svc.cluster.local';
const allowAll: LoadBalancing = { routingPreference: [], mode: 'UNSPECIFIED_MODE', healthPolicy: 'ALLOW_ALL' };
const names = (view: View, s = service('echo')) => [...view.endpoints(s)].map((e) => e.workload.name);

test('of several workloads on one address, the pod wins, then HBONE, and removal shows the other', () => {
  const address = { addresses: ['10.0.0.1'] };
  const entry = workload('entry', { ...address, uid: 'c/networking.istio.io/WorkloadEntry/default/entry' });
  const plain = workload('plain', { ...address, tunnelProtocol: 'NONE' });
  const hbone = workload('hbone', address);
  for (let seed = 0; seed < 10; seed++) {
    const view = viewOf(...shuffled([entry, plain, hbone], seeded(seed)));
    const seen: (string | undefined)[] = [];
    for (const next of [hbone, plain, entry]) {
      seen.push(view.workloadByAddress('', ip('10.0.0.1'))?.name);
      view.removeAddress(next.uid);
    }
    assert.deepEqual(seen, ['hbone', 'plain', 'entry']);
    assert.equal(view.workloadByAddress('', ip('10.0.0.1')), undefined);
  }
});

test('one address on two networks is two workloads', () => {
  const view = viewOf(
    workload('a', { addresses: ['10.0.0.1'] }),
    workload('b', { addresses: ['10.0.0.1'], network: 'n2' }),
  );
  assert.equal(view.workloadByAddress('', ip('10.0.0.1'))?.name, 'a');
  assert.equal(view.workloadByAddress('n2', ip('10.0.0.1'))?.name, 'b');
  assert.equal(view.workloadByAddress('n3', ip('10.0.0.1')), undefined);
});

test('a workload on the host network is not found by its address', () => {
  const view = viewOf(workload('agent', { addresses: ['192.0.2.1'], networkMode: 'HOST_NETWORK' }));
  assert.equal(view.workloadByAddress('', ip('192.0.2.1')), undefined);
  assert.equal(view.workloadByUid('Kubernetes//Pod/default/agent')?.name, 'agent');
});

test('of several records of one pod the smallest uid counts, and each that goes leaves the others', () => {
  const info = { name: 'pod', namespace: 'default', serviceAccount: 'pod' };
  const records = ['b', 'a', 'c'].map((uid) => workload('pod', { uid }));
  const view = new View({ network: '', localNode: '' });
  fill(view, records);
  for (const [gone, left] of [
    ['a', 'b'],
    ['c', 'b'],
    ['b', undefined],
  ] as const) {
    view.removeAddress(gone);
    assert.equal(view.localWorkload(info)?.uid, left);
  }
});

test("a pod's own workload is looked for on this node only, by name, namespace and account", () => {
  const pod = workload('pod', { node: 'node-2' });
  const info = { name: 'pod', namespace: 'default', serviceAccount: 'pod' };
  const rows: readonly [string, string, typeof info, boolean][] = [
    ['any node when unset', '', info, true],
    ['its node', 'node-2', info, true],
    ['another node', 'node-1', info, false],
    ['another account', 'node-2', { ...info, serviceAccount: 'else' }, false],
  ];
  for (const [name, localNode, who, found] of rows) {
    const view = new View({ network: '', localNode });
    fill(view, [pod]);
    assert.equal(view.localWorkload(who) !== undefined, found, name);
  }
});

test('an updated workload leaves nothing of its old self behind', () => {
  const view = viewOf(service('echo'), workload('w', { addresses: ['10.0.0.1'], services: { [LOCAL]: {} } }));
  assert.deepEqual(names(view), ['w']);
  fill(view, [workload('w', { addresses: ['10.0.0.2'] })]);
  assert.equal(view.workloadByAddress('', ip('10.0.0.1')), undefined);
  assert.equal(view.workloadByAddress('', ip('10.0.0.2'))?.name, 'w');
  assert.deepEqual(names(view), []);
  view.removeAddress('no such name');
  view.removeAddress('no/such');
});

test('endpoints that arrive before their service wait for it, and come back with it', () => {
  const view = viewOf(workload('b', { services: { [LOCAL]: {} } }), workload('a', { services: { [LOCAL]: {} } }));
  fill(view, [service('echo')]);
  assert.deepEqual(names(view), ['a', 'b']);
  view.removeAddress(LOCAL);
  assert.equal(view.serviceByKey(LOCAL), undefined);
  fill(view, [service('echo')]);
  assert.deepEqual(names(view), ['a', 'b'], 'the reference would need the workloads to be sent again');
  view.removeAddress('Kubernetes//Pod/default/a');
  assert.deepEqual(names(view), ['b']);
});

test('unhealthy endpoints are left out until the service wants all of them', () => {
  const view = viewOf(
    service('echo'),
    workload('a', { services: { [LOCAL]: {} } }),
    workload('sick', { status: 'UNHEALTHY', services: { [LOCAL]: {} } }),
  );
  assert.deepEqual(names(view), ['a']);
  const wantsAll = service('echo', { loadBalancing: allowAll });
  fill(view, [wantsAll]);
  assert.deepEqual(names(view, wantsAll), ['a', 'sick'], 'the reference does not bring these back');
  fill(view, [service('echo')]);
  assert.deepEqual(names(view), ['a']);
  fill(view, [workload('sick', { services: { [LOCAL]: {} } })]);
  assert.deepEqual(names(view), ['a', 'sick']);
});

test('which service a virtual address means depends on who asks', () => {
  const vip = { addresses: ['10.1.0.1'] };
  const shared = [
    service('first', { namespace: 'a', canonical: false, ...vip }),
    service('canon', { namespace: 'b', ...vip }),
    service('own', { namespace: 'c', canonical: false, ...vip }),
  ];
  const hidden = service('hidden', { namespace: 'h', visibility: 'NAMESPACE', addresses: ['10.1.0.2'] });
  const wide = service('wide', { namespace: 'w', canonical: false, addresses: ['10.0.0.0/8'] });
  const tight = service('tight', { namespace: 't', canonical: false, addresses: ['10.2.0.0/16'] });
  const canonTight = service('ctight', { namespace: 'u', addresses: ['10.2.0.0/16'] });
  const v6 = service('v6', { addresses: ['fd00::/64'] });
  const remote = service('remote', { addresses: ['n2/10.3.0.0/16', 'n2/10.1.0.1/32'] });
  const rows: readonly [string, string, string, string | undefined, string | undefined][] = [
    ['its own namespace', '', '10.1.0.1', 'c', 'own'],
    ['else canonical', '', '10.1.0.1', 'x', 'canon'],
    ['nobody in particular', '', '10.1.0.1', undefined, 'canon'],
    ['another network', 'n2', '10.1.0.1', 'c', 'remote'],
    ['hidden, asked from inside', '', '10.1.0.2', 'h', 'hidden'],
    ['hidden falls through to ranges', '', '10.1.0.2', 'x', 'wide'],
    ['no client looks past visibility', '', '10.1.0.2', undefined, 'hidden'],
    ['the longer prefix, then canonical', '', '10.2.3.4', 'x', 'ctight'],
    ['own namespace before canonical', '', '10.2.3.4', 't', 'tight'],
    ['a broad range of the own namespace', '', '10.2.3.4', 'w', 'wide'],
    ['the rest of the broad range', '', '10.200.0.1', 'x', 'wide'],
    ['IPv6 range', '', 'fd00::99', 'x', 'v6'],
    ['outside of the IPv6 range', '', 'fd00:0:0:1::', 'x', undefined],
    ['range of another network', 'n2', '10.3.0.1', 'x', 'remote'],
    ['not in that network', 'n2', '10.200.0.1', 'x', undefined],
  ];
  const services = [...shared, hidden, wide, tight, canonTight, v6, remote];
  for (let seed = 0; seed < 5; seed++) {
    const view = viewOf(...shuffled(services, seeded(seed)));
    for (const [name, network, address, client, want] of rows) {
      assert.equal(view.serviceByVip(network, ip(address), client)?.name, want, name);
    }
    view.removeAddress('u/ctight.u.svc.cluster.local');
    assert.equal(view.serviceByVip('', ip('10.2.3.4'), 'x')?.name, 'tight', 'after removal');
  }
});

test('a hostname means the own namespace, then canonical', () => {
  const host = { hostname: 'db.example.com' };
  const view = viewOf(
    service('a', { namespace: 'a', canonical: false, ...host }),
    service('b', { namespace: 'b', ...host }),
    service('c', { namespace: 'c', canonical: false, visibility: 'NAMESPACE', ...host }),
  );
  const asked = ['a', 'b', 'c', 'x', undefined].map((client) => view.serviceByHostname('db.example.com', client)?.name);
  assert.deepEqual(asked, ['a', 'b', 'c', 'b', 'b']);
});

test('a service that changes its addresses is no longer found by the old ones', () => {
  const view = viewOf(service('echo', { addresses: ['10.1.0.1', '10.8.0.0/16'] }));
  const again = service('echo', { addresses: ['10.1.0.2'] });
  fill(view, [again, again]);
  assert.deepEqual(
    ['10.1.0.1', '10.8.1.1', '10.1.0.2'].map((a) => view.serviceByVip('', ip(a))?.name),
    [undefined, undefined, 'echo'],
  );
  view.removeAddress(LOCAL);
  assert.equal(view.serviceByVip('', ip('10.1.0.2')), undefined);
});

test('an impossible range is refused and changes nothing', () => {
  const view = viewOf(service('echo', { addresses: ['10.1.0.1'] }));
  assert.throws(() => fill(view, [service('echo', { addresses: ['10.0.0.0/40'] })]), RangeError);
  assert.equal(view.serviceByVip('', ip('10.1.0.1'))?.name, 'echo');
});

test('an address that a new pod took over is the new pod, however long the old one lingers', () => {
  const ending = workload('old', { addresses: ['10.0.0.1'], status: 'UNHEALTHY' });
  const fresh = workload('zz-new', { addresses: ['10.0.0.1'] });
  for (const order of [
    [ending, fresh],
    [fresh, ending],
  ]) {
    assert.equal(viewOf(...order).workloadByAddress('', ip('10.0.0.1'))?.name, 'zz-new');
  }
});

for (const [name, capacities, chosen] of [
  ['alike', [1, 1, 1], ['a', 'b', 'c']],
  ['of different weight', [1, 5, 2], ['a', 'b', 'c']],
  ['of which one has no weight', [0, 5, 2], ['b', 'c']],
  ['all without weight', [0, 0], ['a', 'b']],
  ['only one', [3], ['a']],
  ['none', [], []],
] as const) {
  test(`all that can be chosen among endpoints that are ${name} can be enumerated, and each chosen at will`, () => {
    const behind = { services: { [LOCAL]: { 80: 8080 } } };
    const endpoints = capacities.map((capacity, i) =>
      workload('abc'[i] ?? '', { addresses: [`10.0.0.${i + 1}`], capacity, ...behind }),
    );
    const caller = workload('caller', { addresses: ['10.0.1.1'] });
    const balancer = viewOf(service('echo'), ...endpoints).balancer(service('echo'));
    const choices = balancer.choices(caller, 80, 'standard');
    assert.deepEqual(
      choices.map(({ candidate }) => candidate.workload.name),
      chosen,
    );
    for (const { candidate, at } of choices) {
      assert.deepEqual(
        balancer.pick(caller, 80, 'standard', () => at),
        { kind: 'picked', candidate },
      );
    }
  });
}
