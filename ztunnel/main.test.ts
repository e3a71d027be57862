import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { spawnInNetns } from '../core/net/index.ts';
import { endWithUs } from '../test/support/leftovers.ts';
import { eventually, needsRoot, TestNet } from '../test/support/netns.ts';

const ROOT = join(import.meta.dirname, '..');
const COMMAND = [join(ROOT, 'scripts/node.sh'), join(ROOT, 'ztunnel/main.ts')];
const BUNDLE = [join(ROOT, 'scripts/node.sh'), join(ROOT, 'dist/ztunnel/main.js')];
const PATH = process.env['PATH'];

function watch(child: ChildProcess) {
  endWithUs(child);
  const output = { text: '' };
  child.stdout?.on('data', (chunk) => {
    output.text += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output.text += chunk;
  });
  const { promise: ended, resolve } = Promise.withResolvers<number | string>();
  child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  return {
    ended,
    output,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const start = (args: readonly string[], env: NodeJS.ProcessEnv, command = COMMAND) =>
  watch(spawn('sh', [...command, ...args], { env: { PATH, ...env }, stdio: 'pipe' }));

test('the bundle that nodes run is this ztunnel: the same version, the same refusals', async () => {
  const of = async (args: readonly string[], env: NodeJS.ProcessEnv, command: readonly string[]) => {
    await using ztunnel = start(args, env, [...command]);
    return { status: await ztunnel.ended, text: ztunnel.output.text };
  };
  for (const args of [['version'], ['help'], ['proxy']]) {
    const env = { PACKET_MARK: 'x' };
    assert.deepEqual(await of(args, env, BUNDLE), await of(args, env, COMMAND));
  }
});

test('what cannot start says so in one clear line and ends with status 1', async () => {
  await using ztunnel = start(['proxy', 'ztunnel'], { PACKET_MARK: 'x', LOCAL_XDS: '/crl' });
  assert.equal(await ztunnel.ended, 1);
  const lines = ztunnel.output.text.trim().split('\n');
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^ztunnel: .*LOCAL_XDS="\/crl".*PACKET_MARK="x"/);
});

test('a revocation list that can not be read ends the start with one clear line', async () => {
  await using ztunnel = start(['proxy', 'ztunnel'], { CRL_PATH: import.meta.filename });
  assert.equal(await ztunnel.ended, 1);
  const told = ztunnel.output.text.split('\n').filter((line) => line.startsWith('ztunnel: '));
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /CRL_PATH=".*main\.test\.ts": .*not a readable revocation list/);
});

test('an unknown command prints help and ends with status 1, help itself with 0', async () => {
  await using odd = start(['dance'], {});
  await using help = start(['help'], {});
  assert.equal(await odd.ended, 1);
  assert.equal(await help.ended, 0);
  assert.match(odd.output.text, /usage: ztunnel/);
});

const LISTENING = '0A';
const hexPort = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');

test('in dedicated mode it serves its own namespace, says that it is ready, and drains on SIGTERM', {
  skip: needsRoot,
}, async () => {
  await using net = await TestNet.create({ hosts: { pod: {} } });
  const pod = net.host('pod');
  const env = {
    PATH,
    PROXY_MODE: 'dedicated',
    PROXY_WORKLOAD_INFO: 'shop/web/web',
    XDS_ADDRESS: '', // no control plane: nothing to wait for
    LOG_FORMAT: 'json',
  };
  const [program = '', ...args] = ['sh', ...COMMAND];
  await using ztunnel = watch(spawnInNetns(pod.netns, program, args, { env, stdio: 'pipe' }));
  await eventually('ready', () => ztunnel.output.text.includes('"message":"ready"'));
  const sockets = await pod.exec('cat /proc/net/tcp /proc/net/tcp6');
  for (const port of [15_000, 15_001, 15_006, 15_008, 15_020, 15_021]) {
    assert.match(sockets, new RegExp(`:${hexPort(port)} \\S+ ${LISTENING} `), `port ${port}`);
  }
  const first = JSON.parse(ztunnel.output.text.split('\n')[0] ?? '');
  assert.equal(first.message, 'starting');
  assert.equal(JSON.parse(first.config).proxyMode, 'Dedicated');
  ztunnel.kill('SIGTERM');
  assert.equal(await ztunnel.ended, 0);
  assert.match(ztunnel.output.text, /"message":"draining","why":"SIGTERM"/);
  assert.match(ztunnel.output.text, /"message":"stopped"/);
});

test('a port that is taken ends the start', { skip: needsRoot }, async () => {
  await using net = await TestNet.create({ hosts: { pod: {} } });
  const pod = net.host('pod');
  await pod.listenEcho(15_020);
  const [program = '', ...args] = ['sh', ...COMMAND];
  const env = { PATH, XDS_ADDRESS: '', RUST_LOG: 'error' };
  await using ztunnel = watch(spawnInNetns(pod.netns, program, args, { env, stdio: 'pipe' }));
  assert.equal(await ztunnel.ended, 1);
  assert.match(ztunnel.output.text, /^ztunnel: .*EADDRINUSE.*15020/m);
});
