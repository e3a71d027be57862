import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadBundle } from './bundle.ts';
import { validationProblem, validatorName } from './validation.ts';

const configuration = (webhook: object) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: 'v' },
  webhooks: [webhook, { failurePolicy: 'Ignore' }],
});

test('who is not validated hears of it, and why', () => {
  assert.equal(validationProblem(undefined), undefined);
  assert.equal(validationProblem(configuration({ failurePolicy: 'Fail' })), undefined);
  assert.match(
    validationProblem(configuration({ failurePolicy: 'Ignore' })) ?? '',
    /has not registered itself yet.*15017/,
  );
  const asked = configuration({ failurePolicy: 'Ignore', clientConfig: { caBundle: 'x' } });
  assert.match(validationProblem(asked) ?? '', /does not ask the controller yet.*port 443/);
});

test('the configuration that is installed is the one that is looked at', () => {
  const bundle = loadBundle(join(import.meta.dirname, '../../manifests'), { namespace: 'mesh', env: [] });
  const validators = bundle.filter(({ kind }) => kind === 'ValidatingWebhookConfiguration');
  assert.deepEqual(
    validators.map(({ metadata }) => metadata.name),
    [validatorName('mesh')],
  );
});
