import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { type Row, tableOf } from './test-support.ts';

const table = tableOf(test, assert.deepEqual);
const SERVICE = { targetRefs: [{ kind: 'Service', name: 'web' }] };
const ra = (spec: object): KubeObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'RequestAuthentication',
  metadata: { name: 'r', namespace: 'shop' },
  spec,
});
const rule = (rule: object) => ra({ ...SERVICE, jwtRules: [{ issuer: 'https://me', ...rule }] });
const AT = 'spec.jwtRules[0]';

table('RequestAuthentication', [
  ['an issuer', rule({}), []],
  [
    'everything at once',
    rule({
      audiences: ['a'],
      jwksUri: 'https://a/keys',
      fromHeaders: [{ name: 'x', prefix: 'Bearer ' }],
      fromParams: ['t'],
      fromCookies: ['c'],
      outputPayloadToHeader: 'p',
      outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
      forwardOriginalToken: true,
      timeout: '1h2m3s',
      spaceDelimitedClaims: ['scope'],
    }),
    [],
  ],
  ['keys without an issuer', ra({ ...SERVICE, jwtRules: [{ jwks_uri: 'http://a' }] }), []],
  ['inline keys', rule({ jwks: '{"keys":[]}' }), []],
  ['selector and targetRefs', ra({ ...SERVICE, selector: {} }), ['spec: selector and targetRefs together']],
  [
    'neither issuer nor keys',
    ra({ ...SERVICE, jwtRules: [{ audiences: ['a'] }] }),
    [`${AT}: needs an issuer or a jwksUri`],
  ],
  ['an empty issuer', rule({ issuer: '', jwksUri: 'https://a' }), [`${AT}.issuer: must not be empty`]],
  ['keys from two places', rule({ jwksUri: 'https://a', jwks: '{"keys":[]}' }), [`${AT}: jwks and jwksUri together`]],
  [
    'keys in both spellings',
    rule({ jwksUri: 'https://a', jwks_uri: 'https://a' }),
    [`${AT}: jwksUri and jwks_uri together`],
  ],
  ['keys from a file', rule({ jwksUri: 'file:///keys' }), [`${AT}.jwksUri: "file:///keys" is no http or https URL`]],
  ['keys that are no JSON', rule({ jwks: 'keys' }), [`${AT}.jwks: is no JSON Web Key Set`]],
  ['a header without a name', rule({ fromHeaders: [{ prefix: 'a' }] }), [`${AT}.fromHeaders[0].name: is required`]],
  [
    'a claim for a header with a bad name',
    rule({ outputClaimToHeaders: [{ header: 'a b', claim: 'c' }] }),
    [`${AT}.outputClaimToHeaders[0].header: "a b" is no name of a header`],
  ],
  ['an empty parameter', rule({ fromParams: [''] }), [`${AT}.fromParams[0]: must not be empty`]],
  ['no duration', rule({ timeout: '5' }), [`${AT}.timeout: "5" is no duration`]],
  ['a duration below a millisecond', rule({ timeout: '999us' }), [`${AT}.timeout: "999us" is shorter than 1ms`]],
  ['a misspelt field', rule({ audience: ['a'] }), [`${AT}.audience: unknown field; did you mean audiences?`]],
  [
    'nowhere to get keys',
    rule({ issuer: 'me' }),
    [],
    [`${AT}.issuer: no URL, and there is neither jwks nor jwksUri: tokens for this rule are refused`],
  ],
  [
    'a claim for a header that only we may set',
    rule({ outputClaimToHeaders: [{ header: 'Host', claim: 'c' }] }),
    [],
    [`${AT}.outputClaimToHeaders[0].header: no name of a header that can be set: tokens for this rule are refused`],
  ],
  ['a token that is required', rule({ presence: 'REQUIRED' }), [], []],
  ['a presence that there is not', rule({ presence: 'ALWAYS' }), [`${AT}.presence`], []],
  ['nothing that a waypoint obeys', ra({ jwtRules: [{ issuer: 'me' }] }), [], ['spec: ztunnel can not see tokens']],
] satisfies readonly Row[]);
