import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '../../../core/telemetry/index.ts';
import { eventually } from '../../../test/support/netns.ts';
import { Installer, type InstallerOptions } from './installer.ts';

const ENTRY = { type: 'istio-cni', name: 'istio-cni' };
const PRIMARY = '{"name":"net","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]}';

/** A host in a folder, and an installer at work on it. */
function stage(
  more: Partial<InstallerOptions> = {},
  primary: Readonly<Record<string, string>> = { '10-net.conflist': PRIMARY },
) {
  const dir = mkdtempSync(join(tmpdir(), 'amb-install-'));
  for (const name of ['net.d', 'bin', 'sa']) mkdirSync(join(dir, name));
  for (const [name, text] of [
    ['node', 'node binary'],
    ['launcher', '#!/bin/sh'],
    ['plugin.js', '1'],
    ['sa/token', 'one'],
    ['sa/ca.crt', 'CA'],
  ] as const) {
    writeFileSync(join(dir, name), text);
  }
  for (const [name, text] of Object.entries(primary)) writeFileSync(join(dir, 'net.d', name), text);
  const states: boolean[] = [];
  const results: string[] = [];
  const installer = new Installer({
    confDir: join(dir, 'net.d'),
    binDir: join(dir, 'bin'),
    runDir: join(dir, 'run'),
    launcher: join(dir, 'launcher'),
    node: join(dir, 'node'),
    pluginJs: join(dir, 'plugin.js'),
    entry: ENTRY,
    kubeconfig: { serviceAccountDir: join(dir, 'sa'), host: 'fd00::1', port: '443', skipTlsVerify: false },
    kubeconfigMode: 0o600,
    confMode: 0o600,
    chained: true,
    onState: (ready) => states.push(ready),
    onResult: (result) => results.push(result),
    log: createLogger({ format: 'plain', level: 'error', write: () => {} }),
    ...more,
  });
  const conf = (name: string) => join(dir, 'net.d', name);
  const types = (name: string): string[] =>
    JSON.parse(readFileSync(conf(name), 'utf8')).plugins.map((p: { type: string }) => p.type);
  return {
    dir,
    installer,
    states,
    results,
    conf,
    types,
    ready: () => eventually('ready', () => states.at(-1) === true),
    async [Symbol.asyncDispose]() {
      await installer[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

test('plugin, credentials and chain entry are put in place, and the mode of the list is kept', async () => {
  await using s = stage();
  chmodSync(s.conf('10-net.conflist'), 0o640);
  writeFileSync(join(s.dir, 'bin', 'istio-cni.tmp.old'), 'half a copy');
  s.installer.start();
  await s.ready();
  assert.deepEqual(s.types('10-net.conflist'), ['bridge', 'istio-cni']);
  assert.equal(statSync(s.conf('10-net.conflist')).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(join(s.dir, 'bin')).sort(), ['istio-cni', 'istio-cni.d']);
  assert.equal(statSync(join(s.dir, 'bin', 'istio-cni')).mode & 0o777, 0o755);
  const kubeconfig = JSON.parse(readFileSync(join(s.dir, 'run', 'istio-cni-kubeconfig'), 'utf8'));
  assert.equal(kubeconfig.clusters[0].cluster.server, 'https://[fd00::1]:443');
  assert.equal(statSync(join(s.dir, 'run', 'istio-cni-kubeconfig')).mode & 0o777, 0o600);
  assert.deepEqual(s.results, ['SUCCESS']);
});

test('without a configuration it waits, and goes on when the file appears', async () => {
  await using s = stage({}, {});
  s.installer.start();
  await eventually('a try', () => s.results.includes('CREATE_CNI_CONFIG_FAILURE'));
  assert.deepEqual(s.states, []);
  writeFileSync(s.conf('05-late.conflist'), PRIMARY);
  await s.ready();
  assert.deepEqual(s.types('05-late.conflist'), ['bridge', 'istio-cni']);
});

test('an entry that another component takes out comes back, and readiness is lost meanwhile', async () => {
  await using s = stage();
  s.installer.start();
  await s.ready();
  writeFileSync(s.conf('10-net.conflist'), PRIMARY);
  await eventually('repair', () => s.types('10-net.conflist').includes('istio-cni'));
  await s.ready();
  assert.deepEqual(s.states, [true, false, true]);
});

test('a file that sorts before ours gets the entry, too', async () => {
  await using s = stage();
  s.installer.start();
  await s.ready();
  writeFileSync(s.conf('00-first.conflist'), PRIMARY);
  await eventually('the new first file', () => s.types('00-first.conflist').includes('istio-cni'));
});

test('a rotated token and a removed binary are put right', async () => {
  await using s = stage();
  s.installer.start();
  await s.ready();
  writeFileSync(join(s.dir, 'sa', 'token'), 'two');
  const path = join(s.dir, 'run', 'istio-cni-kubeconfig');
  await eventually('the new token', () => readFileSync(path, 'utf8').includes('"two"'));
  rmSync(join(s.dir, 'bin', 'istio-cni.d', 'plugin.js'));
  await eventually('the plugin', () => existsSync(join(s.dir, 'bin', 'istio-cni.d', 'plugin.js')));
});

test('a single-plugin file becomes a list, and never goes back', async () => {
  await using s = stage({}, { '10-net.conf': '{"cniVersion":"0.4.0","type":"bridge"}' });
  s.installer.start();
  await s.ready();
  assert.deepEqual(readdirSync(join(s.dir, 'net.d')), ['10-net.conflist']);
  await s.installer[Symbol.asyncDispose]();
  s.installer.uninstall();
  assert.deepEqual(s.types('10-net.conflist'), ['bridge']);
  assert.deepEqual([readdirSync(join(s.dir, 'bin')), readdirSync(join(s.dir, 'run'))], [[], []]);
});

test('a file of our own leaves the primary alone, and follows what changes in it', async () => {
  await using s = stage({ ownedName: '02-istio-cni.conflist' });
  s.installer.start();
  await s.ready();
  assert.deepEqual(s.types('02-istio-cni.conflist'), ['bridge', 'istio-cni']);
  assert.equal(readFileSync(s.conf('10-net.conflist'), 'utf8'), PRIMARY);
  // an option within a plugin, which a comparison of types alone would miss
  writeFileSync(s.conf('tmp'), PRIMARY.replace('"bridge"', '"bridge","mtu":1400'));
  renameSync(s.conf('tmp'), s.conf('10-net.conflist'));
  await eventually('the option', () => readFileSync(s.conf('02-istio-cni.conflist'), 'utf8').includes('1400'));
  await s.installer[Symbol.asyncDispose]();
  s.installer.uninstall();
  assert.deepEqual(readdirSync(join(s.dir, 'net.d')), ['10-net.conflist']);
});

test('unchained, the plugin has a file to itself', async () => {
  await using s = stage({ chained: false });
  s.installer.start();
  await s.ready();
  assert.equal(JSON.parse(readFileSync(s.conf('YYY-istio-cni.conf'), 'utf8')).type, 'istio-cni');
  assert.equal(readFileSync(s.conf('10-net.conflist'), 'utf8'), PRIMARY);
});
