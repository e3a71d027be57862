import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { createLogger, Readiness } from '../../core/telemetry/index.ts';
import { FakeClock, settle } from '../../core/time/index.ts';
import { decodeResponse, encodeRequest, type ZdsRequest } from '../../core/zds/index.ts';
import type { PodInfo, PodProxy } from '../data/index.ts';
import { PodTable } from './pod-table.ts';
import { type AgentConnection, WorkloadManager } from './workload-manager.ts';

type FakeNetns = { readonly device: bigint; readonly inode: bigint; closed: boolean; [Symbol.dispose](): void };

/** The agent's side: what it sends waits for the manager, what the manager answers waits for the test. */
class Agent implements AgentConnection {
  readonly answers: string[] = [];
  hello: string | undefined;
  closed = false;
  readonly #queue: ({ packet: Uint8Array; fds: readonly number[] } | undefined)[] = [];
  #wake: (() => void) | undefined;

  async send(packet: Uint8Array): Promise<void> {
    const hex = Buffer.from(packet).toString('hex');
    if (this.hello === undefined) this.hello = hex;
    else this.answers.push(decodeResponse(packet).error);
  }

  async receive(signal?: AbortSignal) {
    while (this.#queue.length === 0) {
      signal?.throwIfAborted();
      const woken = Promise.withResolvers<void>();
      this.#wake = woken.resolve;
      signal?.addEventListener('abort', () => woken.reject(signal.reason), { once: true });
      await woken.promise;
    }
    return this.#queue.shift();
  }

  async tell(request: ZdsRequest | Uint8Array, fds: readonly number[] = []): Promise<string> {
    const count = this.answers.length;
    this.#queue.push({ packet: request instanceof Uint8Array ? request : encodeRequest(request), fds });
    this.#wake?.();
    for (let i = 0; i < 100 && this.answers.length === count; i += 1) await settle();
    assert.equal(this.answers.length, count + 1, 'exactly one answer for each message');
    return this.answers[count] ?? '';
  }

  hangUp(): void {
    this.#queue.push(undefined);
    this.#wake?.();
  }

  [Symbol.dispose](): void {
    this.closed = true;
  }
}

function world() {
  const clock = new FakeClock();
  const log = createLogger({ format: 'plain', level: 'off' });
  const readiness = new Readiness();
  const agents: Agent[] = [];
  const events: string[] = [];
  const counts = { active: 0, pending: 0, started: 0, stopped: 0 };
  const state = { startError: undefined as Error | undefined, refuse: false, dials: 0 };
  const netnses: FakeNetns[] = [];
  const pods = new PodTable<FakeNetns>({
    start: async (info: PodInfo, netns): Promise<PodProxy> => {
      if (state.startError !== undefined) throw state.startError;
      events.push(`start ${info.uid} in ${netns.inode}`);
      const stop = async (how: string) => void events.push(`${how} ${info.uid} in ${netns.inode}`);
      return {
        drain: () => stop('drain'),
        stopNow: () => stop('stop'),
        reevaluate: () => {},
        connections: () => ({ inbound: [], outbound: [] }),
      };
    },
    counters: {
      active: (n) => {
        counts.active = n;
      },
      pending: (n) => {
        counts.pending = n;
      },
      started: () => {
        counts.started += 1;
      },
      stopped: () => {
        counts.stopped += 1;
      },
    },
    log,
  });
  const manager = new WorkloadManager<FakeNetns>({
    connect: async () => {
      state.dials += 1;
      if (state.refuse) throw new Error('ECONNREFUSED');
      const agent = new Agent();
      agents.push(agent);
      return agent;
    },
    pods,
    // the descriptor's number stands for the namespace, so that tests can name it
    adopt: (fd) => {
      const netns: FakeNetns = {
        device: 4n,
        inode: BigInt(fd),
        closed: false,
        [Symbol.dispose]() {
          this.closed = true;
        },
      };
      netnses.push(netns);
      return netns;
    },
    readiness: readiness.task('workload proxy manager'),
    clock,
    log,
  });
  const agent = async (index = 0): Promise<Agent> => {
    for (let i = 0; i < 100 && agents[index]?.hello === undefined; i += 1) await clock.advance(20);
    const found = agents[index];
    assert.equal(found?.hello, '0801');
    assert.ok(found);
    return found;
  };
  manager.start();
  return {
    agent,
    clock,
    counts,
    events,
    manager,
    netnses,
    pods,
    state,
    ready: () => readiness.pending().length === 0,
    [Symbol.asyncDispose]: () => manager.drain(0),
  };
}

const add = (uid: string): ZdsRequest => ({
  kind: 'add',
  uid,
  info: { name: `${uid}-pod`, namespace: 'shop', serviceAccount: 'web' },
});
const snapshot: ZdsRequest = { kind: 'snapshotSent' };

test('a pod is served before its message is acknowledged, and we are ready after the snapshot', async () => {
  await using w = world();
  const agent = await w.agent();
  assert.equal(await agent.tell(add('a'), [101]), '');
  assert.deepEqual(w.events, ['start a in 101']);
  assert.equal(w.ready(), false);
  assert.equal(await agent.tell(snapshot), '');
  assert.equal(w.ready(), true);
  assert.deepEqual(w.counts, { active: 1, pending: 0, started: 1, stopped: 0 });
  assert.deepEqual(await w.pods.dump(), {
    a: {
      state: 'Up',
      connections: { inbound: [], outbound: [] },
      info: { name: 'a-pod', namespace: 'shop', serviceAccount: 'web' },
    },
  });
});

test('adding the same pod in the same namespace again changes nothing', async () => {
  await using w = world();
  const agent = await w.agent();
  await agent.tell(add('a'), [101]);
  assert.equal(await agent.tell(add('a'), [101]), '');
  assert.deepEqual(w.events, ['start a in 101']);
  assert.deepEqual(
    w.netnses.map((n) => n.closed),
    [false, true],
  );
});

test('a pod that comes back in another namespace is started there', async () => {
  await using w = world();
  const agent = await w.agent();
  await agent.tell(add('a'), [101]);
  await agent.tell(add('a'), [102]);
  assert.deepEqual(w.events, ['start a in 101', 'stop a in 101', 'start a in 102']);
  assert.equal(w.netnses[0]?.closed, true);
});

test('a deleted pod is cut at once, and deleting an unknown one is fine', async () => {
  await using w = world();
  const agent = await w.agent();
  await agent.tell(add('a'), [101]);
  await agent.tell(snapshot);
  assert.equal(await agent.tell({ kind: 'del', uid: 'a' }), '');
  assert.equal(await agent.tell({ kind: 'del', uid: 'nobody' }), '');
  assert.deepEqual(w.events, ['start a in 101', 'stop a in 101']);
  assert.equal(w.counts.active, 0);
  assert.equal(w.netnses[0]?.closed, true);
});

test('a pod that cannot start is refused, kept, tried every five seconds, and holds readiness', async () => {
  await using w = world();
  const agent = await w.agent();
  w.state.startError = new Error('listen EADDRINUSE: port 15008');
  assert.match(await agent.tell(add('a'), [101]), /a-pod.*EADDRINUSE/);
  assert.equal(await agent.tell(snapshot), '');
  assert.equal(w.ready(), false);
  assert.equal((await w.pods.dump())['a']?.state, 'Pending');
  await w.clock.advance(5_000);
  assert.equal(w.ready(), false);
  w.state.startError = undefined;
  await w.clock.advance(4_999);
  assert.deepEqual(w.events, []);
  await w.clock.advance(1);
  assert.deepEqual(w.events, ['start a in 101']);
  assert.equal(w.ready(), true);
  assert.equal(agent.closed, false);
});

test('a pod that is deleted while it is pending is not tried again', async () => {
  await using w = world();
  const agent = await w.agent();
  await agent.tell(snapshot);
  w.state.startError = new Error('no');
  await agent.tell(add('a'), [101]);
  assert.equal(await agent.tell({ kind: 'del', uid: 'a' }), '');
  w.state.startError = undefined;
  await w.clock.advance(20_000);
  assert.deepEqual(w.events, []);
  assert.equal(w.netnses[0]?.closed, true);
  assert.equal(w.ready(), true);
});

test('losing the agent costs readiness and nothing else; the next snapshot reconciles', async () => {
  await using w = world();
  const first = await w.agent();
  for (const [uid, fd] of [
    ['a', 101],
    ['b', 102],
    ['c', 103],
    ['d', 104],
  ] as const)
    await first.tell(add(uid), [fd]);
  await first.tell(snapshot);
  first.hangUp();
  await w.clock.advance(0);
  assert.equal(w.ready(), false);
  assert.equal(w.counts.active, 4);
  const second = await w.agent(1);
  w.events.length = 0;
  await second.tell(add('a'), [101]); // still there
  await second.tell({ kind: 'keep', uid: 'b' }); // the agent has lost its descriptor
  await second.tell(add('c'), [113]); // another namespace
  await second.tell({ kind: 'keep', uid: 'd' });
  await second.tell({ kind: 'del', uid: 'd' }); // gone while the snapshot was sent: reconciled at its end
  assert.deepEqual(w.events, ['stop c in 103', 'start c in 113']);
  await second.tell(snapshot);
  assert.deepEqual(w.events.slice(2), ['stop d in 104']);
  assert.equal(w.ready(), true);
});

test('a pod that the next snapshot does not name is stopped', async () => {
  await using w = world();
  const first = await w.agent();
  await first.tell(add('a'), [101]);
  await first.tell(snapshot);
  first.hangUp();
  const second = await w.agent(1);
  await second.tell(snapshot);
  assert.deepEqual(w.events, ['start a in 101', 'stop a in 101']);
});

const open = (): number => openSync('/dev/null', 'r');
const isClosed = (fd: number): boolean => {
  try {
    fstatSync(fd);
  } catch {
    return true;
  }
  closeSync(fd);
  return false;
};

const PROTOCOL_ERRORS: readonly (readonly [string, ZdsRequest | Uint8Array, number, RegExp])[] = [
  ['a malformed message', Buffer.from('0a7f', 'hex'), 0, /not readable/],
  ['an add without workload info', Buffer.from('0a030a0161', 'hex'), 1, /workload_info: missing/],
  ['an add without a descriptor', add('a'), 0, /add came with 0 descriptors/],
  ['an add with two descriptors', add('a'), 2, /add came with 2 descriptors/],
  ['a delete with a descriptor', { kind: 'del', uid: 'a' }, 1, /del came with 1 descriptors/],
];
for (const [name, message, count, reason] of PROTOCOL_ERRORS) {
  test(`${name} is refused and leads to a new connection; pods stay and no descriptor leaks`, async () => {
    await using w = world();
    const agent = await w.agent();
    await agent.tell(add('running'), [100]);
    const fds = Array.from({ length: count }, open);
    assert.match(await agent.tell(message, fds), reason);
    await w.agent(1);
    assert.ok(agent.closed);
    assert.equal(w.counts.active, 1);
    assert.deepEqual(
      fds.map(isClosed),
      fds.map(() => true),
    );
  });
}

for (const [name, message] of [
  ['a second snapshot', snapshot],
  ['keep after the snapshot', { kind: 'keep', uid: 'a' }],
] as const) {
  test(`${name} is refused and leads to a new connection`, async () => {
    await using w = world();
    const agent = await w.agent();
    await agent.tell(snapshot);
    assert.notEqual(await agent.tell(message), '');
    await w.agent(1);
    assert.ok(agent.closed);
  });
}

test('an agent that is away is dialled ever more slowly, up to two seconds', async () => {
  await using w = world();
  w.state.refuse = true;
  (await w.agent()).hangUp();
  await w.clock.advance(0);
  const waits: number[] = [];
  for (let last = w.state.dials, at = w.clock.now(); waits.length < 12; ) {
    await w.clock.advance(20);
    if (w.state.dials === last) continue;
    waits.push(w.clock.now() - at);
    last = w.state.dials;
    at = w.clock.now();
  }
  assert.deepEqual(waits, [20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000, 2000, 2000]);
  assert.equal(w.ready(), false);
});

test('draining lets every pod drain and hangs up', async () => {
  const w = world();
  const agent = await w.agent();
  await agent.tell(add('a'), [101]);
  await agent.tell(add('b'), [102]);
  await agent.tell(snapshot);
  await w.manager.drain(5_000);
  assert.deepEqual(w.events.slice(2).sort(), ['drain a in 101', 'drain b in 102']);
  assert.ok(agent.closed);
  assert.equal(w.counts.active, 0);
  assert.equal(w.ready(), true); // not flipped on the way out
});
