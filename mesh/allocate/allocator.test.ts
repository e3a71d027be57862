import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr } from '../cidr.ts';
import { serviceEntry } from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import { seeded } from '../test-support.ts';
import { AddressAllocator, type AllocatedAddress, withAllocatedAddresses } from './allocator.ts';

const range = (text: string) => parseCidr(text) ?? assert.fail(text);
const SMALL = [range('240.240.0.0/29')]; // six addresses
const entry = (path: string, spec: object = {}, rest: object = {}, created = 1, labels: Record<string, string> = {}) =>
  serviceEntry(path, { hosts: ['a.example.com'], resolution: 'STATIC', ...spec }, { labels }, rest as never, created);
const shown = (...addresses: readonly AllocatedAddress[]) => ({ status: { addresses } });
const status = (host: string, value: string) => ({ status: { addresses: [{ host, value }] } });

test('each host gets one address of each family, the same every time, and nothing is written twice', () => {
  const allocator = new AddressAllocator();
  allocator.set('app/e', entry('app/e', { hosts: ['a.example.com', 'b.example.com'] }));
  const wanted = allocator.wanted('app/e') ?? [];
  assert.deepEqual(
    wanted.map(
      ({ host, value }) => `${host} ${value.startsWith('240.240.') ? 4 : value.startsWith('2001:2:') ? 6 : value}`,
    ),
    ['a.example.com 4', 'a.example.com 6', 'b.example.com 4', 'b.example.com 6'],
  );
  assert.equal(new Set(wanted.map(({ value }) => value)).size, 4);
  assert.deepEqual(allocator.wanted('app/e'), wanted, 'asked again before it is written');
  allocator.set('app/e', entry('app/e', { hosts: ['a.example.com', 'b.example.com'] }, shown(...wanted)));
  assert.equal(allocator.wanted('app/e'), undefined, 'written');
});

test('who gets addresses', () => {
  const rows: readonly [string, KubeObject, number | undefined][] = [
    ['static', entry('app/e'), 1],
    ['by name', entry('app/e', { resolution: 'DNS' }), 1],
    ['without resolution', entry('app/e', { resolution: 'NONE' }), undefined],
    ['with an address of its own', entry('app/e', { addresses: ['10.0.0.1'] }), undefined],
    ['opted out', entry('app/e', {}, {}, 1, { 'networking.istio.io/enable-autoallocate-ip': 'false' }), undefined],
    ['a wildcard', entry('app/e', { hosts: ['*.example.com'], resolution: 'DNS' }), undefined],
    ['a wildcard that is resolved', entry('app/e', { hosts: ['*.example.com'], resolution: 'DYNAMIC_DNS' }), 1],
    ['opted out later', entry('app/e', { resolution: 'NONE' }, status('a.example.com', '240.240.0.1')), 0],
    ['a host that is gone', entry('app/e', {}, status('old.example.com', '240.240.0.1')), 1],
    ['one that can not be read', entry('app/e', { addresses: ['x'] }), undefined],
  ];
  for (const [name, object, want] of rows) {
    const allocator = new AddressAllocator(SMALL);
    allocator.set('app/e', object);
    const wanted = allocator.wanted('app/e');
    assert.equal(wanted?.length, want, name);
    assert.ok(!wanted?.some(({ host }) => host === 'old.example.com'), name);
  }
});

test('of two automatic addresses the older entry keeps it, and a chosen one beats both', () => {
  const allocator = new AddressAllocator(SMALL);
  const ip = '240.240.0.3';
  allocator.set('app/young', entry('app/young', {}, status('a.example.com', ip), 2));
  assert.equal(allocator.wanted('app/young'), undefined, 'nobody else wants it');
  const concerned = allocator.set('app/old', entry('app/old', {}, status('a.example.com', ip), 1));
  assert.deepEqual([...concerned].sort(), ['app/old', 'app/young']);
  assert.equal(allocator.wanted('app/old'), undefined);
  const [moved] = allocator.wanted('app/young') ?? [];
  assert.notEqual(moved?.value, ip);
  const chosen = allocator.set('app/user', entry('app/user', { addresses: [ip] }, {}, 9));
  assert.ok(chosen.has('app/old'));
  const [next] = allocator.wanted('app/old') ?? [];
  assert.ok(next?.value !== ip && next?.value !== moved?.value);
});

test('an address that was just given is not given again before the status shows it', () => {
  const allocator = new AddressAllocator(SMALL);
  const given = ['app/a', 'app/b', 'other/c', 'other/d', 'x/e', 'x/f'].flatMap((key) => {
    allocator.set(key, entry(key));
    return allocator.wanted(key) ?? [];
  });
  assert.equal(new Set(given.map(({ value }) => value)).size, 6);
  allocator.set('x/g', entry('x/g'));
  assert.equal(allocator.wanted('x/g'), undefined, 'the pool is used up');
  allocator.set('app/a', undefined);
  assert.equal(allocator.wanted('x/g')?.[0]?.value, given[0]?.value, 'what nobody has any more is given again');
});

test('whatever happens, once all is written nothing is shared and nothing moves', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = seeded(seed);
    const allocator = new AddressAllocator([range('240.240.0.0/28')]);
    const world = new Map<string, KubeObject>();
    for (let step = 0; step < 60; step++) {
      const key = `app/e${Math.floor(random() * 8)}`;
      const taken = `240.240.0.${1 + Math.floor(random() * 5)}`;
      const spec = random() < 0.2 ? { addresses: [taken] } : {};
      const object = entry(key, spec, random() < 0.5 ? status('a.example.com', taken) : {}, Math.floor(random() * 3));
      if (random() < 0.2) world.delete(key);
      else world.set(key, object);
      const queue = [...allocator.set(key, world.get(key))];
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const wanted = allocator.wanted(next);
        const old = world.get(next);
        if (wanted === undefined || old === undefined) continue;
        world.set(next, { ...old, status: { addresses: wanted } });
        queue.push(...allocator.set(next, world.get(next)));
      }
      const automatic = [...world.values()].flatMap(
        (one) => ((one['status'] ?? {}) as { addresses?: AllocatedAddress[] }).addresses ?? [],
      );
      const values = automatic.map(({ value }) => value);
      assert.equal(new Set(values).size, values.length, `seed ${seed}, step ${step}: ${values}`);
      for (const one of world.keys()) assert.equal(allocator.wanted(one), undefined, `seed ${seed}, step ${step}`);
    }
  }
});

test('a folder of manifests gets the addresses that a cluster would give', () => {
  const objects = [entry('app/e'), entry('app/f', { addresses: ['10.0.0.1'] })];
  const [e, f] = withAllocatedAddresses(objects);
  assert.equal(((e?.['status'] ?? {}) as { addresses: unknown[] }).addresses.length, 2);
  assert.equal(f, objects[1]);
});
