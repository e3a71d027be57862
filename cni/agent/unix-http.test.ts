import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { serveUnix } from './unix-http.ts';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root';
const mode = (path: string) => statSync(path).mode & 0o777;

function post(socketPath: string, path: string, body: string): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const call = request({ socketPath, path, method: 'POST', agent: false }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  call.end(body);
  return promise;
}

async function withServer(
  work: (path: string, strangers: readonly number[], calls: readonly string[]) => Promise<void>,
) {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-unix-'));
  const strangers: number[] = [];
  const calls: string[] = [];
  mkdirSync(join(dir, 'run'), { mode: 0o755 }); // as kubelet makes a hostPath
  const path = join(dir, 'run', 'event.sock');
  try {
    await using _server = await serveUnix(
      path,
      {
        '/cmdadd': async (body) => {
          calls.push(body);
          return { status: 200, body: '' };
        },
      },
      (uid) => strangers.push(uid),
    );
    chmodSync(dir, 0o755);
    await work(path, strangers, calls);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test('the folder of the socket is closed to others even if somebody made it open', { skip: needsRoot }, async () => {
  await withServer(async (path) => {
    assert.equal(mode(join(path, '..')), 0o700);
    assert.equal(mode(path), 0o600);
  });
});

test('a caller that is not root is refused although it can open the socket', { skip: needsRoot }, async () => {
  await withServer(async (path, strangers, calls) => {
    chmodSync(join(path, '..'), 0o755);
    chmodSync(path, 0o666);
    const nobody = spawn(
      process.execPath,
      [
        '-e',
        "require('net').connect(process.argv[1]).on('error', () => {}).end('POST /cmdadd HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 1\\r\\n\\r\\nx')",
        path,
      ],
      { uid: 65_534, gid: 65_534, cwd: '/', stdio: 'ignore' },
    );
    await once(nobody, 'exit');
    assert.equal(await post(path, '/cmdadd', 'y'), 200);
    assert.deepEqual([strangers, calls], [[65_534], ['y']]);
  });
});

test('hostile requests are answered and cost nobody else anything', { skip: needsRoot }, async () => {
  await withServer(async (path, _strangers, calls) => {
    for (const url of ['/', '/cmdadd/', '/__proto__', '/constructor', '//', '/%2e%2e']) {
      assert.equal(await post(path, url, 'x'), 404, url);
    }
    assert.match(String(await post(path, '/cmdadd', 'x'.repeat((1 << 20) + 1))), /500|EPIPE|ECONNRESET/);
    assert.equal(await post(path, '/cmdadd', 'good'), 200);
    assert.deepEqual(calls, ['good']);
  });
});
