import assert from 'node:assert/strict';
import { type Authorization, type Cidr, type Match, mustParseIp } from '../../mesh/index.ts';
import { Conversation, isAnswered, type Target } from './support/apps.ts';
import { connect } from './support/hbone-caller.ts';
import { forEachPair } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { authorization, identityOf, match, STRICT } from './support/resources.ts';
import { inWorld } from './support/shared.ts';

const hostCidr = (world: MeshWorld): Cidr => ({ address: mustParseIp(world.host('client').ip4), prefix: 32 });

forEachPair((pair) => {
  const scenario = inWorld(
    async () => {
      const world = await MeshWorld.create(pair);
      await world.host('server').listenEcho(8080);
      await world.host('server').listenEcho(8081);
      await world.host('other').listenEcho(8080);
      return world;
    },
    async (world) => {
      world.plane.removeAllAuthorizations();
      world.plane.setWorkload(world.workload('server'));
      await world.applied();
    },
  );
  const server = (world: MeshWorld, port = 8080): Target => ({ ip: world.host('server').ip4, port });

  scenario('a plaintext caller is refused under STRICT, and a tunnel is not', async (world) => {
    world.plane.setAuthorization(STRICT);
    await world.applied();
    const since = world.b.log.length;
    for (const ip of [world.host('server').ip4, world.host('server').ip6]) {
      assert.equal(await isAnswered(world.host('outside'), { ip, port: 8080 }), false);
      assert.equal(await isAnswered(world.host('client'), { ip, port: 8080 }), true);
    }
    const line = await world.b.access({ direction: 'inbound', error: /./, 'dst.workload': 'server' }, since);
    assert.equal(line.level, 'error');
    assert.equal(line.fields['src.identity'], undefined);
  });

  scenario('only the account that is allowed gets through, and the other is told no', async (world) => {
    const principals = [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/client' }] as const;
    world.plane.setAuthorization(authorization({ name: 'allow-client', matches: [match({ principals })] }));
    await world.applied();
    const [atA, atB] = [world.a.log.length, world.b.log.length];
    assert.equal(await isAnswered(world.host('client'), server(world)), true);
    assert.equal(await isAnswered(world.host('near'), server(world)), false);
    assert.equal(await isAnswered(world.host('outside'), server(world)), false);
    const denied = { 'src.identity': identityOf('near'), 'dst.identity': identityOf('server'), error: /./ };
    assert.equal((await world.b.access({ direction: 'inbound', ...denied }, atB)).level, 'error');
    assert.match((await world.a.access({ direction: 'outbound', ...denied }, atA)).fields['error'] ?? '', /401/);
  });

  type Row = {
    readonly name: string;
    readonly policies: (world: MeshWorld) => readonly Authorization[];
    /** Who gets an answer: a captured pod of account `client`, and a caller without identity. */
    readonly answered: { readonly mesh: boolean; readonly plain: boolean };
  };
  const one = (name: string, fields: Partial<Match>, answered: Row['answered']): Row => ({
    name: `an ALLOW of ${name}`,
    policies: () => [authorization({ name: 'only', matches: [match(fields)] })],
    answered,
  });
  const [both, none, mesh, plain] = [
    { mesh: true, plain: true },
    { mesh: false, plain: false },
    { mesh: true, plain: false },
    { mesh: false, plain: true },
  ];
  const value = (kind: 'exact' | 'prefix' | 'suffix', text: string) => [{ kind, value: text }] as const;
  const deny = authorization({
    name: 'deny',
    action: 'DENY',
    matches: [match({ namespaces: value('exact', 'shop') })],
  });
  const allowAll = authorization({ name: 'allow', rules: [{ clauses: [] }] });
  const rows: readonly Row[] = [
    one('a principal', { principals: value('exact', 'cluster.local/ns/shop/sa/client') }, mesh),
    one('a principal with its scheme', { principals: value('exact', identityOf('client')) }, none),
    one('a principal by prefix', { principals: value('prefix', 'cluster.local/ns/shop/') }, mesh),
    one('a principal by suffix', { principals: value('suffix', '/sa/client') }, mesh),
    one('any principal', { principals: [{ kind: 'presence' }] }, mesh),
    one('all but a principal', { notPrincipals: value('suffix', '/sa/client') }, plain),
    one('a namespace', { namespaces: value('exact', 'shop') }, mesh),
    one('all but a namespace', { notNamespaces: value('exact', 'shop') }, plain),
    one('a service account', { serviceAccounts: [{ namespace: 'shop', serviceAccount: 'client' }] }, mesh),
    one('all but a service account', { notServiceAccounts: [{ namespace: 'shop', serviceAccount: 'client' }] }, plain),
    one('a destination port', { destinationPorts: [8080] }, both),
    one('another destination port', { destinationPorts: [9999] }, none),
    one('all but a destination port', { notDestinationPorts: [8080] }, none),
    {
      name: 'an ALLOW of a source address',
      policies: (world) => [
        authorization({
          name: 'only',
          matches: [match({ sourceIps: [hostCidr(world)] })],
        }),
      ],
      answered: mesh,
    },
    {
      name: 'an ALLOW of all but a source address',
      policies: (world) => [
        authorization({
          name: 'only',
          matches: [match({ notSourceIps: [hostCidr(world)] })],
        }),
      ],
      answered: plain,
    },
    { name: 'an ALLOW without rules', policies: () => [authorization({ name: 'x', rules: [] })], answered: none },
    { name: 'a DENY without rules', policies: () => [{ ...deny, rules: [] }], answered: both },
    { name: 'an ALLOW whose rule has no clauses', policies: () => [allowAll], answered: both },
    {
      name: 'an ALLOW whose clause has no matches',
      policies: () => [authorization({ name: 'x', matches: [] })],
      answered: both,
    },
    {
      name: 'an ALLOW whose match is empty',
      policies: () => [authorization({ name: 'x', matches: [match({})] })],
      answered: none,
    },
    { name: 'a DENY beside an ALLOW of everything', policies: () => [allowAll, deny], answered: plain },
    { name: 'a dry-run DENY', policies: () => [{ ...deny, dryRun: true }], answered: both },
    {
      name: 'a dry-run ALLOW without rules',
      policies: () => [{ ...allowAll, rules: [], dryRun: true }],
      answered: both,
    },
    { name: 'a policy of another namespace', policies: () => [{ ...deny, namespace: 'elsewhere' }], answered: both },
    {
      name: 'a policy of the whole mesh',
      policies: () => [{ ...deny, namespace: 'istio-system', scope: 'GLOBAL' }],
      answered: plain,
    },
    {
      name: 'a policy with a selector that no workload names',
      policies: () => [{ ...deny, scope: 'WORKLOAD_SELECTOR' }],
      answered: both,
    },
  ];
  for (const { name, policies, answered } of rows) {
    const who = answered.mesh ? (answered.plain ? 'everybody' : 'the mesh') : answered.plain ? 'strangers' : 'nobody';
    scenario(`${name} lets ${who} in`, async (world) => {
      for (const policy of policies(world)) world.plane.setAuthorization(policy);
      await world.applied();
      assert.equal(await isAnswered(world.host('client'), server(world)), answered.mesh, 'from the mesh');
      assert.equal(await isAnswered(world.host('outside'), server(world)), answered.plain, 'from outside');
    });
  }

  scenario('a policy with a selector holds for the workload that names it, and for no other', async (world) => {
    world.plane.setAuthorization({ ...deny, scope: 'WORKLOAD_SELECTOR' });
    world.plane.setWorkload({ ...world.workload('server'), authorizationPolicies: ['shop/deny'] });
    await world.applied();
    assert.equal(await isAnswered(world.host('client'), server(world)), false);
    assert.equal(await isAnswered(world.host('client'), { ip: world.host('other').ip4, port: 8080 }), true);
  });

  scenario('open connections are cut by a policy that comes to deny them, and no others are', async (world) => {
    using tunnel = await Conversation.open(world.host('client'), server(world));
    using plaintext = await Conversation.open(world.host('outside'), server(world));
    using near = await Conversation.open(world.host('near'), server(world));
    using port = await Conversation.open(world.host('client'), server(world, 8081));
    const fromClient = match({ principals: value('suffix', '/sa/client'), destinationPorts: [8080] });
    const since = world.b.log.length;
    world.plane.setAuthorization(authorization({ name: 'cut', action: 'DENY', matches: [fromClient] }));
    await tunnel.ended();
    await world.b.access({ direction: 'inbound', 'src.identity': identityOf('client'), error: /./ }, since);
    for (const open of [plaintext, near, port]) await open.say('still here');
    world.plane.setAuthorization(STRICT);
    await plaintext.ended();
    for (const open of [near, port]) await open.say('still here');
  });

  scenario(
    'open connections are cut when their workload comes to name a policy that denies them, where it is ours to say',
    async (world) => {
      world.plane.setAuthorization({ ...deny, scope: 'WORKLOAD_SELECTOR' });
      await world.applied();
      using open = await Conversation.open(world.host('client'), server(world));
      world.plane.setWorkload({ ...world.workload('server'), authorizationPolicies: ['shop/deny'] });
      // Ours looks at live connections again whenever what applies to them changes; the reference only when a policy does.
      if (world.b.isOurs) await open.ended();
      else {
        await world.applied();
        await open.say('still here');
      }
    },
  );

  scenario('a policy that is named but was not sent keeps callers out, where it is ours to say', async (world) => {
    world.plane.setWorkload({ ...world.workload('server'), authorizationPolicies: ['shop/on-its-way'] });
    await world.applied();
    const begin = performance.now();
    const answered = await isAnswered(world.host('client'), server(world));
    // Ours holds the caller for 2 s and then denies; the reference does as if the policy had never been named.
    assert.equal(answered, !world.b.isOurs);
    if (world.b.isOurs) assert.ok(performance.now() - begin > 1_500, 'it was denied without waiting');
  });

  scenario('a policy that follows the workload that names it decides about those who waited', async (world, t) => {
    if (!world.b.isOurs) return t.skip('the reference waits for no policy');
    world.plane.setWorkload({ ...world.workload('server'), authorizationPolicies: ['shop/on-its-way'] });
    await world.applied();
    const calls = [isAnswered(world.host('client'), server(world)), isAnswered(world.host('near'), server(world))];
    const principals = value('suffix', '/sa/client');
    world.plane.setAuthorization(
      authorization({ name: 'on-its-way', scope: 'WORKLOAD_SELECTOR', matches: [match({ principals })] }),
    );
    assert.deepEqual(await Promise.all(calls), [true, false]);
  });

  scenario('with an ALLOW for the waypoint only, going around it gets a 401', async (world) => {
    const principals = value('suffix', '/sa/waypoint');
    world.plane.setAuthorization(authorization({ name: 'waypoint', matches: [match({ principals })] }));
    await world.applied();
    const [from, to] = [world.host('outside'), world.host('server')];
    const as = (account: string) => world.plane.ca.material(world.plane.ca.id('shop', account));
    const authority = `${to.ip4}:8080`;
    assert.equal(await connect({ from, to, source: await as('client'), authority }), 401);
    assert.equal(await connect({ from, to, source: await as('waypoint'), authority }), 200);
  });
});
