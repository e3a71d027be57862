import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import WebSocket from 'ws';
import { callHttp } from './call-http.ts';

const OPTIONS = { method: 'GET', headers: {}, timeoutMs: 5_000, isHeadShown: false };

/** The sample on a free port of loopback, until the work is done. */
async function withSample(env: Record<string, string>, work: (host: string) => Promise<void>): Promise<void> {
  const file = join(import.meta.dirname, 'http.ts');
  const child = spawn(process.execPath, [file], {
    env: { ...env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const port = /HTTP on (\d+)/.exec(String(said))?.[1];
    assert.ok(port !== undefined, String(said));
    await work(`127.0.0.1:${port}`);
  } finally {
    child.kill();
    await ended;
  }
}

test('a flaky version fails every second request, and is ready all the time', async () => {
  await withSample({ NAME: 'cart-v2', FAIL_EVERY: '2' }, async (host) => {
    const statuses: string[] = [];
    for (let i = 0; i < 4; i++) {
      await callHttp(new URL(`http://${host}/ready`), OPTIONS);
      const said = callHttp(new URL(`http://${host}/`), OPTIONS).then(
        () => 'answered',
        (error: Error) => error.message,
      );
      statuses.push(await said);
    }
    const failed = '503 Service Unavailable';
    assert.deepEqual(statuses, ['answered', failed, 'answered', failed]);
  });
});

test('what is said over WebSocket is heard', async () => {
  await withSample({ NAME: 'cart' }, async (host) => {
    const socket = new WebSocket(`ws://${host}/live`);
    await once(socket, 'open');
    socket.send('hello');
    const [heard] = await once(socket, 'message');
    assert.equal(String(heard), 'cart heard hello');
    socket.close();
    await once(socket, 'close');
  });
});
