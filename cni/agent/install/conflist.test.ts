import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainedName, firstValid, formatConf, hasEntry, withEntry, withoutEntry } from './conflist.ts';

const ENTRY = { type: 'istio-cni', name: 'istio-cni', ambient_enabled: true };
const LIST = (plugins: readonly object[]) => JSON.stringify({ name: 'net', cniVersion: '1.0.0', plugins });
const file = (name: string, text: string) => ({ name, text });

test('the first usable file by name is the one that is chained onto', () => {
  const files = [
    file('00-broken.conflist', '{'),
    file('01-nameless.conflist', JSON.stringify({ plugins: [{ type: 'a' }] })),
    file('02-empty.conflist', LIST([])),
    file('03-typeless.conf', '{"cniVersion":"1.0.0"}'),
    file('04-note.txt', LIST([{ type: 'a' }])),
    file('20-late.conflist', LIST([{ type: 'late' }])),
    file('10-net.conf', '{"cniVersion":"0.4.0","type":"bridge","name":"x"}'),
  ];
  assert.equal(firstValid(files)?.name, '10-net.conf');
  assert.equal(firstValid(files.slice(0, 5)), undefined);
});

test('a list ends with exactly one entry of ours, and keeps name and version', () => {
  const text = withEntry(file('a.conflist', LIST([{ type: 'istio-cni', old: 1 }, { type: 'bridge' }])), ENTRY);
  const list = JSON.parse(text);
  assert.deepEqual([list.name, list.cniVersion], ['net', '1.0.0']);
  assert.deepEqual(list.plugins, [{ type: 'bridge' }, ENTRY]);
  assert.equal(withEntry(file('a.conflist', text), ENTRY), text, 'twice is once');
  assert.ok(hasEntry(file('a.conflist', text), ENTRY));
  assert.ok(text.endsWith('}\n') && text.indexOf('"cniVersion"') < text.indexOf('"name"'));
});

test('a single plugin becomes a list of two', () => {
  const conf = file('10-net.conf', '{"cniVersion":"0.4.0","type":"bridge","name":"x"}');
  assert.deepEqual(JSON.parse(withEntry(conf, ENTRY)), {
    name: 'k8s-pod-network',
    cniVersion: '0.3.1',
    plugins: [{ type: 'bridge', name: 'x' }, ENTRY],
  });
  assert.equal(chainedName('10-net.conf'), '10-net.conflist');
  assert.equal(chainedName('10-net.conflist'), '10-net.conflist');
});

test('an entry with other contents, or not at the end, is not as it should be', () => {
  const wrong = [
    [{ type: 'bridge' }],
    [{ type: 'bridge' }, { ...ENTRY, ambient_enabled: false }],
    [ENTRY, { type: 'bridge' }],
  ];
  for (const plugins of wrong) assert.ok(!hasEntry(file('a.conflist', LIST(plugins)), ENTRY));
});

test('taking the entry out leaves what was there before', () => {
  const before = formatConf(JSON.parse(LIST([{ type: 'bridge' }])));
  const after = withEntry(file('a.conflist', before), ENTRY);
  assert.equal(withoutEntry(file('a.conflist', after)), before);
});

test('a malformed list is an error that names the file', () => {
  assert.throws(() => withEntry(file('a.conflist', '{'), ENTRY), { code: 'CNI_CONF_INVALID', message: /a\.conflist/ });
});
