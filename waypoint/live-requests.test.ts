import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Receipts, Registry } from '../core/telemetry/index.ts';
import type { Exchange } from './exchange.ts';
import { pass } from './layers/pass.ts';
import { LiveRequests } from './live-requests.ts';
import type { Denial } from './policy/standing.ts';
import { PolicyRecorder } from './policy/watch.ts';
import { answer, exchange } from './test-request.ts';

const DENIAL: Denial = { because: 'a policy', details: 'denied' };

function under(...paths: readonly string[]) {
  const live = new LiveRequests();
  const all = paths.map((target) => exchange({ target }));
  for (const x of all) {
    x.standing = 'passed';
    live.add(x);
  }
  const denied = (deny: (x: Exchange) => boolean, concerned: (x: Exchange) => boolean = () => true) => {
    const found: string[] = [];
    live.reevaluate(
      concerned,
      (x) => (deny(x) ? DENIAL : undefined),
      (x) => {
        live.remove(x); // as its end does
        found.push(x.path);
      },
    );
    return found.sort();
  };
  return { live, all, denied };
}

test('requests are found as long as they are under way, in whatever order they end', () => {
  const orders = ['abc', 'acb', 'bac', 'bca', 'cab', 'cba'];
  for (const order of orders) {
    const { live, all, denied } = under('a', 'b', 'c');
    const left = new Set('abc');
    for (const name of order) {
      const x = all.find(({ path }) => path === name) as Exchange;
      live.remove(x);
      live.remove(x);
      left.delete(name);
      const seen: string[] = [];
      denied((one) => seen.push(one.path) === 0);
      assert.deepEqual(seen.sort(), [...left], `${order}, after ${name}`);
    }
  }
});

test('what a change does not concern is not judged, and what is denied ends while others stay', () => {
  const { denied } = under('a', 'b', 'c');
  const notC = ({ path }: Exchange) => path !== 'c';
  assert.deepEqual(
    denied(({ path }) => path !== 'a', notC),
    ['b'],
  );
  assert.deepEqual(
    denied(() => true),
    ['a', 'c'],
  );
});

test('a request that waits for an authorizer when policies change is judged by those of now when it goes on', async () => {
  const { all, denied } = under('a', 'b');
  const [waiting, judged] = all as [Exchange, Exchange];
  waiting.standing = 'judging';
  assert.deepEqual(
    denied(() => true),
    ['b'],
  );
  const watch = new PolicyRecorder(new Receipts({ now: () => 0, random: () => 0.5 }), new Registry());
  const layer = pass({ standing: () => DENIAL, watch })(() => answer(200));
  assert.throws(() => layer(waiting), { kind: 'denied', detail: 'policy_changed{denied}' });
  assert.notEqual(waiting.receipt, undefined);
  judged.standing = 'judging';
  assert.equal((await layer(judged)).status, 200, 'nothing changed while this one waited');
});
