import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAgentConfig, pluginEntry } from './config.ts';

test('what is not set takes its default, and DNS capture is on', () => {
  const config = parseAgentConfig({ NODE_NAME: 'n' });
  assert.deepEqual(
    [
      config.dnsCapture,
      config.ipv6,
      config.excludedNamespaces,
      config.confDir,
      config.binDir,
      config.procDir,
      config.confMode,
    ],
    [true, true, ['kube-system'], '/host/etc/cni/net.d', '/host/opt/cni/bin', '/host/proc', 0o600],
  );
});

test('an empty list of excluded namespaces excludes none', () => {
  assert.deepEqual(parseAgentConfig({ NODE_NAME: 'n', EXCLUDE_NAMESPACES: '' }).excludedNamespaces, []);
});

test('with the mesh off nobody is selected', () => {
  assert.deepEqual(parseAgentConfig({ NODE_NAME: 'n', AMBIENT_ENABLED: 'false' }).selectors, []);
});

test('both spellings of the owned file are taken', () => {
  const owned = (env: Record<string, string>) =>
    parseAgentConfig({ NODE_NAME: 'n', ISTIO_OWNED_CNI_CONFIG: 'true', ...env }).ownedName;
  assert.equal(owned({}), '02-istio-cni.conflist');
  assert.equal(owned({ ISTIO_OWNED_CNI_CONF_FILENAME: '00-a.conflist' }), '00-a.conflist');
  assert.equal(owned({ ISTIO_OWNED_CNI_CONFIG_FILENAME: '00-b.conflist' }), '00-b.conflist');
  assert.equal(parseAgentConfig({ NODE_NAME: 'n' }).ownedName, undefined);
});

test('selectors are YAML, and reach the plugin as they are', () => {
  const config = parseAgentConfig({
    NODE_NAME: 'n',
    AMBIENT_ENABLEMENT_SELECTOR: '- podSelector: {matchLabels: {a: b}}',
  });
  assert.deepEqual(pluginEntry(config)['enablement_selectors'], [{ podSelector: { matchLabels: { a: 'b' } } }]);
});

const BAD: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  ['no node', { NODE_NAME: '' }, /NODE_NAME/],
  [
    'a misspelt key in a selector',
    { AMBIENT_ENABLEMENT_SELECTOR: '- podSelectr: {}' },
    /AMBIENT_ENABLEMENT_SELECTOR.*podSelectr/s,
  ],
  ['selectors that are not YAML', { AMBIENT_ENABLEMENT_SELECTOR: '{' }, /AMBIENT_ENABLEMENT_SELECTOR/],
  ['a probe address that is none', { HOST_PROBE_SNAT_IP: '1.2.3' }, /HOST_PROBE_SNAT_IP="1.2.3"/],
  ['a mode that is none', { KUBECONFIG_MODE: 'rw' }, /KUBECONFIG_MODE/],
];
for (const [title, env, reason] of BAD) {
  test(`the agent does not start with ${title}`, () => {
    assert.throws(() => parseAgentConfig({ NODE_NAME: 'n', ...env }), { code: 'CONFIG_INVALID', message: reason });
  });
}
