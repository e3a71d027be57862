/** Predictions against the decisions of the proxies themselves, in meshes made at random. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAuthority } from '../authority.ts';
import { decideInboundHbone, decideInboundPlaintext } from '../decide/inbound.ts';
import { decideOutbound } from '../decide/outbound.ts';
import { evaluate } from '../policy/evaluate.ts';
import { spiffeId } from '../spiffe.ts';
import { ip, seeded, shuffled } from '../test-support.ts';
import { buildModel, type MeshModel } from './model.ts';
import { predict } from './predict.ts';
import type { Verdict } from './prediction.ts';
import { ask, predicted, randomMesh } from './test-random-mesh.ts';

/** What proxies would do with one connection of an enrolled pod, and at whom it ends. */
function tried(model: MeshModel, from: string, vip: string, random: () => number): readonly [Verdict, string] {
  const { view } = model;
  const source = view.workloadByUid(from);
  assert(source !== undefined);
  const here = { ip: source.addresses[0] ?? ip('0.0.0.0'), port: 40_000 };
  const decision = decideOutbound(view, { source, from: here, originalDst: { ip: ip(vip), port: 80 } }, random);
  if (decision.kind === 'refuse') return ['denied', ''];
  assert(decision.kind === 'hbone' || decision.kind === 'tcp');
  const { destination, dial } = decision;
  assert(destination !== undefined);
  const who = `${destination.namespace}/${destination.name}`;
  if (decision.kind === 'tcp') {
    assert.equal(destination.tunnelProtocol, 'NONE');
    assert.equal(decideInboundPlaintext(view, { local: destination, originalDst: dial }).kind, 'accept');
    return ['allowed', who];
  }
  assert.equal(parseAuthority(decision.authority)?.kind, 'address');
  const inbound = decideInboundHbone(view, { local: destination, connectionDst: dial, authority: decision.authority });
  assert(inbound.kind === 'accept');
  const identity = spiffeId(source.trustDomain, source.namespace, source.serviceAccount);
  const { verdict } = evaluate(view.policyScope(destination), { source: identity, from: here, to: inbound.target });
  return [verdict === 'allow' ? 'allowed' : 'denied', who];
}

/** Enough for every endpoint of a service to be chosen. */
const TRIES = 48;

test('every end that proxies come to is predicted, and nothing else', () => {
  let ends = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    const model = buildModel(randomMesh(random));
    for (const caller of model.view.workloads()) {
      if (caller.tunnelProtocol !== 'HBONE') continue;
      for (const service of model.view.services()) {
        const vip = service.addresses[0]?.address ?? '';
        const seen = new Set<string>();
        for (let i = 0; i < TRIES; i++) seen.add(tried(model, caller.uid, vip, random).join(' '));
        const name = `${service.namespace}/${service.name}`;
        const wanted = predicted(ask(model, `${caller.namespace}/${caller.name}`, name));
        assert.deepEqual(
          [...seen].sort(),
          [...wanted].sort(),
          `seed ${seed}: ${caller.namespace}/${caller.name} -> ${name}`,
        );
        ends += seen.size;
      }
    }
  }
  assert(ends > 1_500, `only ${ends} ends were compared`);
});

test('a prediction does not depend on the order of the objects', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    const objects = randomMesh(random);
    const [one, other] = [buildModel(objects), buildModel(shuffled(objects, random))];
    for (const { namespace: where, name } of one.view.workloads()) {
      assert.deepEqual(ask(one, `${where}/${name}`, 'a/x'), ask(other, `${where}/${name}`, 'a/x'), `seed ${seed}`);
    }
    const account = {
      from: { kind: 'service-account', namespace: 'a', name: 'x' },
      to: { kind: 'service', namespace: 'b', name: 'x', port: 80 },
    } as const;
    assert.deepEqual(predict(one, account), predict(other, account), `seed ${seed}`);
  }
});
