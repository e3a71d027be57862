/** What every implementation of the tunnel does with revoked peers, on both sides. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Ancestry, RevocationLists } from '../identity/index.ts';
import { type ContractCa, type Implementation, rejection, Stand } from './contract-stand.ts';
import { eventually } from './leg-contract.ts';
import type { Revocations } from './types.ts';

/** Revocation lists that the test replaces. */
class Lists implements Revocations {
  readonly foreign: string[] = [];
  readonly #listeners = new Set<() => void>();
  #lists = RevocationLists.none;

  async replace(...pems: readonly Promise<string>[]): Promise<void> {
    this.#lists = RevocationLists.parse(Buffer.from((await Promise.all(pems)).join('')));
    for (const listener of [...this.#listeners]) listener();
  }
  isRevoked(ancestry: Ancestry): boolean {
    return this.#lists.isRevoked(ancestry, (issuer) => this.foreign.push(issuer));
  }
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
  get listeners(): number {
    return this.#listeners.size;
  }
}

/** Registers the suite under `name`. */
export function revocationContract(name: string, ca: ContractCa, other: ContractCa, impl: Implementation): void {
  const web = ca.id('shop', 'web');
  const cart = ca.id('shop', 'cart');

  describe(`revocation in tunnels of ${name}`, () => {
    it('a revoked client is refused (REVOKED), others are served', async () => {
      const lists = new Lists();
      const [bad, good] = [await ca.material(web), await ca.material(web)];
      await lists.replace(ca.crl([bad.serial]));
      await using stand = await Stand.create(ca, impl, { revocations: lists });
      await rejection(stand.open({ source: bad }));
      await eventually('the server says why', () => stand.refused.length > 0);
      assert.equal(stand.refused[0]?.code, 'REVOKED');
      assert.equal(stand.requests.length, 0);
      await stand.talk({ source: good });
    });

    it('a revoked server is refused (REVOKED), before it hears of any stream', async () => {
      const lists = new Lists();
      const server = await ca.material(cart);
      await lists.replace(ca.crl([server.serial]));
      await using stand = await Stand.create(ca, impl, { server, client: { revocations: lists } });
      assert.equal((await rejection(stand.open())).code, 'REVOKED');
      assert.equal(stand.requests.length, 0);
      await lists.replace();
      await stand.talk();
    });

    it('a revoked intermediate takes its whole subtree with it, on both sides', async () => {
      const lists = new Lists();
      const below = await ca.intermediate();
      const [client, server] = [await below.material(web), await below.material(cart)];
      await using stand = await Stand.create(ca, impl, { server, revocations: lists, client: { revocations: lists } });
      const before = await stand.talk({ source: client });
      await lists.replace(ca.crl([below.serial]), below.crl([]));
      await before.seen.wasReset();
      assert.equal((await rejection(stand.open({ source: client }))).code, 'REVOKED');
      await using direct = await Stand.create(ca, impl, { revocations: lists });
      await rejection(direct.open({ source: client }));
      await eventually('the server says why', () => direct.refused.some(({ code }) => code === 'REVOKED'));
      await direct.talk();
    });

    it("a server cuts a revoked client's tunnel, and leaves another one alone", async () => {
      const lists = new Lists();
      await using stand = await Stand.create(ca, impl, { revocations: lists });
      const [bad, good] = [await ca.material(web), await ca.material(web)];
      const cut = await stand.talk({ source: bad });
      const second = await stand.talk({ source: bad });
      const kept = await stand.talk({ source: good });
      await lists.replace(ca.crl([bad.serial]));
      await Promise.all([cut.seen.wasReset(), second.seen.wasReset()]);
      assert.deepEqual(
        stand.requests.map(({ revoked }) => revoked?.aborted),
        [true, true, false],
      );
      kept.leg.write(Buffer.from(', still'));
      await kept.seen.until('the echo', () => kept.seen.text === 'hello, still');
      await eventually('one tunnel is left', () => stand.server.stats().tunnels === 1);
    });

    it("a client cuts a revoked server's tunnel, and says so to its streams first", async () => {
      const lists = new Lists();
      const server = await ca.material(cart);
      await using stand = await Stand.create(ca, impl, { server, client: { revocations: lists } });
      await using another = await Stand.create(ca, impl);
      const { leg, revoked } = await stand.open();
      const kept = await stand.talk({ connect: () => another.connect(), poolKey: 'another' });
      await lists.replace(ca.crl([server.serial]));
      assert.equal(revoked?.aborted, true);
      assert.equal(revoked.reason.code, 'REVOKED');
      await leg.closed;
      kept.leg.write(Buffer.from(', still'));
      await kept.seen.until('the echo', () => kept.seen.text === 'hello, still');
      assert.equal((await rejection(stand.open())).code, 'REVOKED');
    });

    it('a list that another authority signed is without effect, and is told of once when it bears our name', async () => {
      const lists = new Lists();
      await using stand = await Stand.create(ca, impl, { revocations: lists, client: { revocations: lists } });
      const below = await other.intermediate();
      await lists.replace(other.crl([stand.source.serial]), below.crl([stand.source.serial]));
      await stand.talk();
      await stand.talk({ poolKey: 'two' });
      assert.ok(lists.foreign.length <= 2);
    });

    it('nobody is told of changes when there are no tunnels', async () => {
      const lists = new Lists();
      {
        await using stand = await Stand.create(ca, impl, { revocations: lists, client: { revocations: lists } });
        await stand.talk();
        assert.equal(lists.listeners, 2);
      }
      await eventually('both have left', () => lists.listeners === 0);
    });
  });
}
