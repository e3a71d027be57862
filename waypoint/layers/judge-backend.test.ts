import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Receipts, Registry } from '../../core/telemetry/index.ts';
import { clause, given, policy } from '../../mesh/http-policy/test-policies.ts';
import { compileHttpPolicies, type HttpPolicy } from '../../mesh/index.ts';
import type { Target } from '../exchange.ts';
import { PolicyRecorder } from '../policy/watch.ts';
import { exchange, pass } from '../test-exchange.ts';
import { judgeBackend } from './judge-backend.ts';

const NEXT = 'app/next.app.svc.cluster.local';
const to = (service: string): Target => ({ kind: 'service', service, port: 80 });
const admin = { rule: [clause(given('PATH', '/admin*'))] };

type Case = {
  readonly backend: readonly HttpPolicy[] | 'unreadable';
  readonly target?: Target;
  readonly path?: string;
  /** Absent: it is sent on. */
  readonly because?: RegExp;
};
const CASES: Readonly<Record<string, Case>> = {
  'what its policies deny': {
    backend: [policy('no', { action: 'DENY', ...admin })],
    because: /policy app\/no, rule 0/,
  },
  'what they say nothing of': { backend: [policy('no', { action: 'DENY', ...admin })], path: '/' },
  'what only its own authorizer could allow': {
    backend: [{ ...policy('ask', { action: 'CUSTOM', ...admin }), provider: 'opa' }],
    because: /policy app\/ask, rule 0: opa is not asked/,
  },
  'what nobody can read': { backend: 'unreadable', because: /the policies of app\/next\S+, which a route leads to/ },
  'what goes where it was called': { backend: 'unreadable', target: to('app/cart.app.svc.cluster.local') },
};
for (const [name, { backend, target = to(NEXT), path = '/admin', because }] of Object.entries(CASES)) {
  test(`policies of a service that a route leads to: ${name} is ${because ? 'denied, and there is a receipt' : 'sent'}`, async () => {
    const receipts = new Receipts({ now: () => 0, random: () => 0.5 });
    const parts = { watch: new PolicyRecorder(receipts, new Registry()), receiptHeader: false };
    const scopes = new Map([[NEXT, backend === 'unreadable' ? backend : compileHttpPolicies(backend, 'http')]]);
    const x = exchange({ target: path });
    x.target = target;
    const { response, wasSent } = await pass(judgeBackend('app/cart.app.svc.cluster.local', scopes, parts), x);
    assert.deepEqual([response.status, wasSent], because === undefined ? [200, true] : [403, false]);
    const receipt = receipts.latest(1)[0];
    assert.equal(receipt?.id, x.receipt);
    if (because === undefined) assert.equal(receipt, undefined);
    else assert.match(`${receipt?.because} ${x.because}`, new RegExp(`${because.source}.*${because.source}`));
  });
}
