/** Webhook configurations: what the server completes in them, and which of them it could not obey. */
import { at, defaultTo, listAt, mapAt, numberAt, textAt } from '../object.ts';
import { type Cause, CelError, compileCondition, isObject, type Json } from '../pure/index.ts';
import { invalidValue, required, type Strategy, unsupportedValue } from './strategy.ts';

const MAX_TIMEOUT_SECONDS = 30;
const OPERATIONS = ['*', 'CREATE', 'UPDATE', 'DELETE', 'CONNECT'];

export const webhookConfigurations: Strategy = {
  prepare(configuration) {
    for (const webhook of listAt(configuration, 'webhooks').filter(isObject)) {
      defaultTo(webhook, 'failurePolicy', 'Fail');
      defaultTo(webhook, 'matchPolicy', 'Equivalent');
      defaultTo(webhook, 'timeoutSeconds', 10);
      defaultTo(webhook, 'namespaceSelector', {});
      defaultTo(webhook, 'objectSelector', {});
      if (configuration.kind === 'MutatingWebhookConfiguration') defaultTo(webhook, 'reinvocationPolicy', 'Never');
      for (const rule of listAt(webhook, 'rules').filter(isObject)) defaultTo(rule, 'scope', '*');
      const service = at(webhook, 'clientConfig', 'service');
      if (isObject(service)) defaultTo(service, 'port', 443);
    }
  },
  validate(configuration) {
    return listAt(configuration, 'webhooks').flatMap((webhook, i) => problemsOf(webhook, `webhooks[${i}]`));
  },
};

function problemsOf(webhook: Json, field: string): readonly Cause[] {
  const causes: Cause[] = [];
  const oneOf = (name: string, supported: readonly string[]): void => {
    const value = textAt(webhook, name);
    if (!supported.includes(value)) causes.push(unsupportedValue(`${field}.${name}`, value, supported));
  };
  if (textAt(webhook, 'name') === '') causes.push(required(`${field}.name`));
  if (textAt(webhook, 'sideEffects') === '') causes.push(required(`${field}.sideEffects`));
  else oneOf('sideEffects', ['None', 'NoneOnDryRun']);
  oneOf('failurePolicy', ['Fail', 'Ignore']);
  oneOf('matchPolicy', ['Equivalent', 'Exact']);
  if (listAt(webhook, 'admissionReviewVersions').length === 0)
    causes.push(required(`${field}.admissionReviewVersions`));
  const timeout = numberAt(webhook, 'timeoutSeconds');
  if (timeout === undefined || timeout < 1 || timeout > MAX_TIMEOUT_SECONDS) {
    causes.push(invalidValue(`${field}.timeoutSeconds`, timeout ?? null, 'must be between 1 and 30 seconds'));
  }
  listAt(webhook, 'rules').forEach((rule, i) => {
    for (const operation of listAt(rule, 'operations')) {
      if (typeof operation === 'string' && OPERATIONS.includes(operation)) continue;
      causes.push(unsupportedValue(`${field}.rules[${i}].operations`, operation, OPERATIONS));
    }
    for (const part of ['operations', 'apiGroups', 'apiVersions', 'resources']) {
      if (listAt(rule, part).length === 0) causes.push(required(`${field}.rules[${i}].${part}`));
    }
  });
  return [...causes, ...clientProblems(webhook, `${field}.clientConfig`), ...conditionProblems(webhook, field)];
}

function clientProblems(webhook: Json, field: string): readonly Cause[] {
  const { url, service, caBundle } = mapAt(webhook, 'clientConfig');
  const causes: Cause[] = [];
  if ((url === undefined) === (service === undefined)) {
    causes.push(required(field, 'Required value: exactly one of url or service is required'));
  }
  if (url !== undefined && !isHttpsUrl(url)) {
    causes.push(invalidValue(`${field}.url`, url, 'must be https://HOST[:PORT]/PATH, without user, query or fragment'));
  }
  const pem = typeof caBundle === 'string' ? Buffer.from(caBundle, 'base64').toString() : '';
  // Empty is legal: whoever owns the webhook may fill it in later.
  if (pem !== '' && !pem.includes('-----BEGIN CERTIFICATE-----')) {
    causes.push(invalidValue(`${field}.caBundle`, '<hidden>', 'must hold certificates in PEM'));
  }
  return causes;
}

function isHttpsUrl(url: Json): boolean {
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  const { protocol, username, password, search, hash } = new URL(url);
  return protocol === 'https:' && username === '' && password === '' && search === '' && hash === '';
}

function conditionProblems(webhook: Json, field: string): readonly Cause[] {
  return listAt(webhook, 'matchConditions').flatMap((condition, i) => {
    const at = `${field}.matchConditions[${i}]`;
    if (textAt(condition, 'name') === '') return [required(`${at}.name`)];
    try {
      compileCondition(textAt(condition, 'expression'));
      return [];
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      return [invalidValue(`${at}.expression`, textAt(condition, 'expression'), error.message)];
    }
  });
}
