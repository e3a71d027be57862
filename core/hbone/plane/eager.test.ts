/** What a caller has said already, and that goes with its CONNECT. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestCa } from '../../../test/support/certificates.ts';
import { echo, rejection, Stand, type StandOptions } from '../contract-stand.ts';
import { createHboneClient, createHboneServer } from '../index.ts';
import { Recorder } from '../leg-contract.ts';
import type { ConnectRequest, HboneImplementation } from '../types.ts';

const ca = await TestCa.create('cluster.local');
const HELLO = Buffer.from('hello');

function stand(client: HboneImplementation, server: HboneImplementation, o: StandOptions = {}): Promise<Stand> {
  return Stand.create(
    ca,
    {
      createServer: (of) => createHboneServer({ ...of, implementation: server }),
      createClient: (of) => createHboneClient({ ...of, implementation: client }),
    },
    o,
  );
}

describe('the first bytes of a caller', () => {
  it('are at the server before it answers, and are read once', async () => {
    const asked = Promise.withResolvers<ConnectRequest>();
    await using t = await stand('plane', 'plane', {
      onConnect: (request) => (t.requests.length === 1 ? echo(request) : asked.resolve(request)),
    });
    await t.talk(); // the tunnel stands, and its SETTINGS are known
    const opened = t.open({ first: () => HELLO });
    const request = await asked.promise;
    assert.equal(t.client.stats().streams, 2);
    echo(request);
    const { leg, firstBytes } = await opened;
    assert.equal(firstBytes, HELLO.length);
    const seen = new Recorder();
    leg.deliver(seen);
    await seen.until('the echo', () => seen.bytes >= HELLO.length);
    leg.write(Buffer.from(' again'));
    leg.end();
    await seen.ended();
    assert.equal(seen.text, 'hello again');
  });

  for (const [client, server] of [
    ['plane', 'http2'],
    ['http2', 'plane'],
    ['http2', 'http2'],
  ] as const) {
    it(`stay where they are with a client on ${client} and a server on ${server}`, async () => {
      await using t = await stand(client, server);
      await t.talk();
      let times = 0;
      const first = () => {
        times += 1;
        return HELLO;
      };
      const { leg, firstBytes } = await t.open({ first });
      assert.deepEqual([firstBytes, times], [0, 0]);
      leg.reset('cancel');
    });
  }

  it('that are none cost nothing', async () => {
    await using t = await stand('plane', 'plane');
    await t.talk();
    const { seen } = await t.talk({ first: () => undefined });
    assert.equal(seen.text, 'hello');
  });

  it('are not said when the caller is refused, and are there for the next try', async () => {
    let refusals = 1;
    const heard: string[] = [];
    await using t = await stand('plane', 'plane', {
      onConnect: (request) => {
        if (t.requests.length === 1) return echo(request);
        if (refusals-- > 0) return request.refuse(401);
        const leg = request.respond(200);
        leg.deliver({
          data: (view) => void heard.push(Buffer.from(view).toString()),
          writable: () => {},
          end: () => leg.end(),
          reset: () => {},
        });
      },
    });
    await t.talk();
    assert.equal((await rejection(t.open({ first: () => HELLO }))).status, 401);
    const { leg } = await t.open({ first: () => HELLO });
    const seen = new Recorder();
    leg.deliver(seen);
    leg.end();
    await seen.ended();
    assert.deepEqual(heard, ['hello']);
  });
});
