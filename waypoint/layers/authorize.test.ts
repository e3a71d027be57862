import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Receipts, Registry } from '../../core/telemetry/index.ts';
import { clause, given, policy } from '../../mesh/http-policy/test-policies.ts';
import { compileHttpPolicies, type HttpPolicy, type PathNormalization } from '../../mesh/index.ts';
import { type Exchange, type Layer, stack } from '../exchange.ts';
import { PolicyRecorder } from '../policy/watch.ts';
import { exchange, pass, type TestExchange } from '../test-exchange.ts';
import { authorize } from './authorize.ts';
import { normalise } from './normalise.ts';

function world(policies: readonly HttpPolicy[], o: { receiptHeader?: boolean; paths?: PathNormalization } = {}) {
  const registry = new Registry();
  const receipts = new Receipts({ now: () => 0, random: () => 0.5 });
  const parts = { watch: new PolicyRecorder(receipts, registry), receiptHeader: o.receiptHeader ?? false };
  const authorizing = authorize(compileHttpPolicies(policies, 'http'), parts);
  const layer: Layer = (next) => stack([normalise(o.paths ?? 'BASE'), authorizing], next);
  const ask = async (fields: TestExchange) => {
    const x = exchange(fields);
    return { x, ...(await pass(layer, x)) };
  };
  return { ask, receipts, metrics: () => registry.render().body };
}

const denyAdmin = policy('admin', { action: 'DENY', rule: [clause(given('PATH', '/admin*'))] });

test('a denied request is answered as the reference does, and goes nowhere', async () => {
  const { ask } = world([denyAdmin]);
  const { x, response, body, wasSent } = await ask({ target: '/admin/users?x=1' });
  assert.deepEqual([response.status, body, wasSent], [403, 'RBAC: access denied', false]);
  assert.equal(x.details, 'rbac_access_denied_matched_policy[ns[app]-policy[admin]-rule[0]]');
  assert.equal(x.because, 'policy app/admin, rule 0');
  assert.equal(response.headers.has('ambit-receipt'), false);
});

test('a gRPC caller learns of a denial in the head', async () => {
  const { ask } = world([policy('nothing')]);
  const { response, body } = await ask({ method: 'POST', headers: { 'content-type': 'application/grpc' } });
  assert.deepEqual([response.status, body, response.headers.get('grpc-status')], [200, '', '7']);
});

test('a DENY by path is not got around by spelling the path otherwise, and the application gets what was judged', async () => {
  const evasions = [
    '/admin',
    '/x/../admin',
    '/./admin',
    '/%61dmin',
    '/x/%2e%2e/admin',
    '/x\\..\\admin',
    '/x/..%2fadmin',
    '//admin',
  ];
  const { ask } = world([denyAdmin], { paths: 'DECODE_AND_MERGE_SLASHES' });
  for (const target of evasions) assert.equal((await ask({ target })).response.status, 403, target);
  const { x, wasSent } = await ask({ target: '/a//b/../c?q=/admin//x' });
  assert.deepEqual([wasSent, x.request.target], [true, '/a/c?q=/admin//x']);
});

test('a path that can not be normalised is refused before anybody judges it', async () => {
  const { ask, receipts } = world([denyAdmin]);
  for (const target of ['/a%00/../b', '/%zz', '/a b']) {
    const { response, x } = await ask({ target });
    assert.deepEqual([response.status, x.details], [400, 'path_normalization_failed'], target);
  }
  assert.equal(receipts.size, 0);
});

test('a receipt says who asked for what, what came closest, and keeps to those who may know', async () => {
  const allow = policy('readers', { rule: [clause(given('METHOD', 'GET')), clause(given('NAMESPACE', 'web'))] });
  const { ask, receipts } = world([allow], { receiptHeader: true });
  const { response, x } = await ask({ method: 'POST', target: '/items', headers: { authorization: 'Bearer secret' } });
  const id = response.headers.get('ambit-receipt') ?? '';
  assert.equal(x.receipt, id);
  const receipt = receipts.get(id);
  assert.deepEqual(receipt?.request, { method: 'POST', path: '/items', host: 'cart.shop' });
  assert.deepEqual(receipt?.nearestMiss, {
    policy: 'app/readers',
    rule: 0,
    field: 'methods',
    wanted: 'GET',
    got: 'POST',
  });
  assert.equal(receipt?.src.identity, 'spiffe://cluster.local/ns/web/sa/client');
  assert.doesNotMatch(JSON.stringify(receipt), /secret/);
});

test('a policy that is tried out is counted, leaves a receipt, and lets the request pass', async () => {
  const { ask, receipts, metrics } = world([{ ...denyAdmin, dryRun: true }]);
  assert.equal((await ask({ target: '/admin' })).response.status, 200);
  assert.equal((await ask({ target: '/' })).response.status, 200);
  assert.match(metrics(), /ambit_policy_dry_run_total\{policy="app\/admin",rule="0",action="DENY",would="deny"\} 1/);
  assert.deepEqual(
    receipts.latest(9).map(({ verdict }) => verdict),
    ['dry-run-deny'],
  );
});

test('what an AUDIT policy matches is counted', async () => {
  const { ask, metrics } = world([{ ...denyAdmin, action: 'AUDIT' }]);
  assert.equal((await ask({ target: '/admin' })).response.status, 200);
  assert.match(metrics(), /ambit_policy_audited_total\{policy="app\/admin",rule="0"\} 1/);
});

test('without policies nothing is asked', async () => {
  const seen: Exchange[] = [];
  const layer = authorize(compileHttpPolicies([], 'http'), {
    watch: { denied: () => '', noticed: (x) => void seen.push(x) },
    receiptHeader: false,
  });
  const next = () => ({ status: 200 }) as never;
  assert.equal(layer(next), next);
});
