import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  bytesMoved,
  connectTcp,
  flushSoon,
  listenTcp,
  localAddress,
  type TcpConnection,
  TcpLink,
  TcpListener,
} from './index.ts';

/** More than it takes until turns are taken to be thin, and then go by without another look. */
const MANY = 200;

type Told = (view: Buffer) => void;
type Pair = { readonly near: TcpLink; readonly told: (by: Told) => void };

/** Two ends of one connection; what is written at the near one is an event at the far one. */
async function pairs(stack: DisposableStack, count: number): Promise<Pair[]> {
  const accepted: TcpConnection[] = [];
  const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
  const port = localAddress(fd)?.port ?? 0;
  using _listener = new TcpListener(fd, (connection) => accepted.push(connection), {
    perTurn: count,
    onError: (error) => {
      throw error;
    },
  });
  const made: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const near = new TcpLink(await connectTcp({ to: { ip: '127.0.0.1', port } }));
    stack.defer(() => near.reset());
    while (accepted.length === 0) await nextTurn();
    const far = new TcpLink(accepted.pop() as TcpConnection);
    stack.defer(() => far.reset());
    let by: Told = () => {};
    far.deliver({ data: (view) => by(view), drained() {}, end() {}, broken() {}, closed() {} });
    far.resume();
    const told = (next: Told) => {
      by = next;
    };
    made.push({ near, told });
  }
  return made;
}

/** One byte, which does nothing but move. */
async function move({ near, told }: Pair): Promise<string> {
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    if (order.length === 2) resolve();
  };
  const say = (what: string) => () => {
    order.push(what);
    look();
  };
  told(() => {
    setImmediate(say('turn over'));
    flushSoon({ flush: say('sent') });
    bytesMoved();
  });
  near.write(Buffer.from('x'));
  await promise;
  return order.join(', ');
}

test('while turns have one event, what it moves leaves within it; the first times it waits for the end of its turn', async () => {
  using stack = new DisposableStack();
  const [pair] = await pairs(stack, 1);
  assert.ok(pair);
  const orders: string[] = [];
  for (let i = 0; i < MANY; i++) orders.push(await move(pair));
  assert.deepEqual(new Set(orders.slice(0, 10)), new Set(['turn over, sent']));
  const atOnce = orders.slice(-100).filter((order) => order === 'sent, turn over').length;
  assert.ok(atOnce >= 90, `${atOnce} of 100 left within their event`);
});

test('what many connections move in one turn leaves once, also after a time in which one was alone', async () => {
  using stack = new DisposableStack();
  const all = await pairs(stack, 8);
  const [first] = all;
  assert.ok(first);
  for (let i = 0; i < MANY; i++) await move(first);
  let sent = 0;
  const shared = {
    flush() {
      sent += 1;
    },
  };
  const perRound: number[] = [];
  for (let round = 0; round < 20; round++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    let events = 0;
    for (const pair of all) {
      pair.told(() => {
        flushSoon(shared);
        bytesMoved();
        events += 1;
        if (events === all.length) setImmediate(() => setImmediate(resolve));
      });
    }
    sent = 0;
    for (const { near } of all) near.write(Buffer.from('x'));
    await promise;
    perRound.push(sent);
  }
  assert.deepEqual(new Set(perRound.slice(10)), new Set([1]), perRound.join(' '));
});

test('what an event settles beside moving bytes is heard before the next event', async () => {
  using stack = new DisposableStack();
  const [one, other] = await pairs(stack, 2);
  assert.ok(one && other);
  for (let i = 0; i < MANY; i++) await move(one);
  for (let i = 0; i < 10; i++) {
    const order: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const heard = promise.then(() => order.push('heard'));
    const next = Promise.withResolvers<void>();
    one.told(() => {
      resolve(); // and does not say that it moved them
      other.near.write(Buffer.from('y'));
    });
    other.told(() => {
      order.push('next event');
      next.resolve();
    });
    one.near.write(Buffer.from('x'));
    await Promise.all([heard, next.promise]);
    assert.deepEqual(order, ['heard', 'next event']);
  }
});
