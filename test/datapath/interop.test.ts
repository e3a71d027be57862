/**
 * The data path beside another ztunnel, in both directions, and the other one alone. AMBIT_TEST_ZTUNNEL names a binary that
 * speaks xDS, the CA protocol and ZDS; any that can take the place of ours will do.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, ending, exchange, policy, principal, STRICT } from './data-mesh.ts';

const ROOT = join(import.meta.dirname, '../..');
const binary = process.env['AMBIT_TEST_ZTUNNEL'];
if (binary === undefined) {
  console.warn('SKIPPED: no scenario ran against another ztunnel. Set AMBIT_TEST_ZTUNNEL to the path of its binary.');
}
const skip = needsRoot || (binary === undefined ? 'AMBIT_TEST_ZTUNNEL is not set' : false);

/** A refusal may come while the caller still dials, or later. */
async function isAnswered(mesh: DataMesh, from: string): Promise<boolean> {
  try {
    return (await exchange(await mesh.dial(from, 'cart', 8080), 'hi')) === 'hi';
  } catch {
    return false;
  }
}

describe('our own ztunnel as a program', { skip: needsRoot }, () => {
  it('serves pods that it learns of over ZDS, with certificates and policy from the control plane', async () => {
    const program = [join(ROOT, 'scripts/node.sh'), join(ROOT, 'ztunnel/main.ts')];
    await using mesh = await DataMesh.create({
      pods: [],
      external: { program, pods: ['web', 'cart'] },
      outside: ['out'],
    });
    await mesh.host('cart').listenEcho(8080);
    assert.deepEqual([await isAnswered(mesh, 'web'), await isAnswered(mesh, 'out')], [true, true]);
    await mesh.policy(STRICT);
    await eventually('plaintext is refused', async () => !(await isAnswered(mesh, 'out')));
    assert.equal(await isAnswered(mesh, 'web'), true);
  });
});

const settings = [
  { title: 'our client, their server', ours: ['web'], theirs: ['cart'] },
  { title: 'their client, our server', ours: ['cart'], theirs: ['web'] },
  { title: 'their client, their server', ours: [], theirs: ['web', 'cart'] },
] as const;

for (const { title, ours, theirs } of settings) {
  const create = () =>
    DataMesh.create({ pods: ours, external: { program: [binary ?? ''], pods: theirs }, outside: ['out'] });

  describe(`beside another ztunnel: ${title}`, () => {
    // On each test, not on the suite, so that the runner counts what was skipped.
    const it = (name: string, run: () => Promise<void>) => test(name, { skip }, run);
    for (const family of [4, 6] as const) {
      it(`the caller is served and its IPv${family} address is kept`, async () => {
        await using mesh = await create();
        await mesh.host('cart').listen(8080, (socket) => {
          const address = socket.remoteAddress ?? 'nobody';
          socket.on('error', () => {}).on('end', () => socket.end(address));
          socket.resume();
        });
        const { ip4, ip6 } = mesh.host('web');
        const answer = await exchange(await mesh.dial('web', 'cart', 8080, family), 'hello');
        assert.equal(answer, family === 4 ? `::ffff:${ip4}` : ip6);
      });
    }

    it('a service is reached at the port that it maps', async () => {
      await using mesh = await create();
      await mesh.host('cart').listenEcho(8080);
      mesh.service('cart', '10.77.0.200', { 80: 8080 }, ['cart']);
      await eventually('the service is known', async () => {
        const socket = await mesh.dialIp('web', '10.77.0.200', 80).catch(() => undefined);
        return socket && (await exchange(socket, 'hi').catch(() => '')) === 'hi';
      });
    });

    it('policy allows by identity, denies by identity, and STRICT refuses plaintext', async () => {
      await using mesh = await create();
      await mesh.host('cart').listenEcho(8080);
      const answered = (from: string) => isAnswered(mesh, from);
      assert.equal(await answered('out'), true);
      await mesh.policy(STRICT);
      await eventually('plaintext is refused', async () => !(await answered('out')));
      assert.equal(await answered('web'), true);
      await mesh.policy(policy('who', 'ALLOW', { principals: [principal('other')] }));
      await eventually('another identity is refused', async () => !(await answered('web')));
      await mesh.policy(policy('who', 'ALLOW', { principals: [principal('web')] }));
      await eventually('the allowed identity is served', () => answered('web'));
    });

    it('a live connection is cut when a policy comes to deny it', async () => {
      await using mesh = await create();
      await mesh.host('cart').listenEcho(8080);
      const socket = await mesh.dial('web', 'cart', 8080);
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once('data', () => resolve());
      socket.write('hello');
      socket.resume();
      await promise;
      const ended = ending(socket);
      await mesh.policy(policy('deny-web', 'DENY', { principals: [principal('web')] }));
      assert.match(await ended, /^(ECONNRESET|end|close)$/);
    });

    it('a half-close keeps the other direction open, and bytes arrive unharmed', async () => {
      await using mesh = await create();
      await mesh.host('cart').listenEcho(8080);
      const texts = Array.from({ length: 100 }, (_, i) => `${i} `.repeat(5_000));
      const answers = await Promise.all(
        texts.map(async (text) => exchange(await mesh.dial('web', 'cart', 8080), text)),
      );
      assert.deepEqual(answers, texts);
    });

    it('a destination that the mesh does not know is passed through', async () => {
      await using mesh = await create();
      await mesh.host('out').listenEcho(9000);
      assert.equal(await exchange(await mesh.dial('web', 'out', 9000), 'hi'), 'hi');
    });

    it('calls to the proxy itself are never relayed', async () => {
      await using mesh = await create();
      for (const port of [15001, 15006, 15008]) {
        const dialled = mesh.dial('out', 'cart', port).then((socket) => {
          socket.write('GET / HTTP/1.1\r\n\r\n');
          return socket;
        });
        assert.match(await ending(dialled), /^(ECONNRESET|EPIPE|end|close)$/, `port ${port}`);
      }
    });
  });
}
