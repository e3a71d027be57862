import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestAuthentication } from '../../derive/test-objects.ts';
import { DEFAULT_MESH_CONFIG } from '../../kube-object.ts';
import { readRequestAuthentication } from './request-authentication.ts';

function read(...jwtRules: readonly unknown[]) {
  const spec = { targetRefs: [{ kind: 'Service', name: 's' }], jwtRules };
  const reading = readRequestAuthentication(requestAuthentication('app/jwt', spec), DEFAULT_MESH_CONFIG);
  assert.ok(reading !== undefined);
  return reading;
}

test('a rule without more says where tokens are looked for, and how long keys may take', () => {
  const { authentication, ruleProblems } = read({ issuer: 'https://i.example' });
  assert.deepEqual(ruleProblems, []);
  assert.deepEqual(authentication.rules, [
    {
      issuer: 'https://i.example',
      audiences: [],
      jwks: '',
      jwksUri: '',
      fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
      fromParams: ['access_token'],
      fromCookies: [],
      forwardOriginalToken: false,
      outputPayloadToHeader: '',
      outputClaimToHeaders: [],
      timeoutMs: 5_000,
      spaceDelimitedClaims: [],
      isRequired: false,
      keysService: '',
    },
  ]);
});

test('all that can be written arrives, and places that are named replace the usual ones', () => {
  const [rule] = read({
    issuer: 'me',
    audiences: ['a'],
    jwks_uri: 'https://i.example/keys',
    fromHeaders: [{ name: 'X-Token', prefix: 'T ' }, { name: 'other' }],
    fromCookies: ['c'],
    outputPayloadToHeader: 'X-Payload',
    outputClaimToHeaders: [{ header: 'X-Group', claim: 'realm.group' }],
    forwardOriginalToken: true,
    timeout: '1m',
    spaceDelimitedClaims: ['roles'],
    presence: 'REQUIRED',
  }).authentication.rules;
  assert.deepEqual(rule, {
    issuer: 'me',
    audiences: ['a'],
    jwks: '',
    jwksUri: 'https://i.example/keys',
    fromHeaders: [
      { name: 'x-token', prefix: 'T ' },
      { name: 'other', prefix: '' },
    ],
    fromParams: [],
    fromCookies: ['c'],
    forwardOriginalToken: true,
    outputPayloadToHeader: 'x-payload',
    outputClaimToHeaders: [{ header: 'x-group', claim: ['realm', 'group'] }],
    timeoutMs: 60_000,
    spaceDelimitedClaims: ['roles'],
    isRequired: true,
    keysService: '',
  });
});

test('a rule that can not be read is kept without a key, so that no token is good for it', () => {
  const rows: readonly [string, unknown, RegExp][] = [
    ['an unknown field', { issuer: 'https://i', audience: ['x'] }, /audience: unknown field/],
    ['keys that are none', { issuer: 'i', jwks: 'x' }, /jwks: no JSON Web Key Set/],
    ['keys from two places', { issuer: 'i', jwks: '{"keys":[]}', jwksUri: 'https://x' }, /goes not together/],
    ['keys from a file', { issuer: 'i', jwksUri: 'file:///etc/keys' }, /no http or https URL/],
    ['nowhere to get keys', { issuer: 'me' }, /neither jwks nor jwksUri/],
    ['audiences that are none', { issuer: 'https://i', audiences: 'x' }, /audiences: not a list of texts/],
    ['a time that is none', { issuer: 'https://i', timeout: 'soon' }, /"soon" is no duration/],
    [
      'a header that is none',
      { issuer: 'https://i', outputClaimToHeaders: [{ header: 'a b', claim: 'c' }] },
      /no name of a header/,
    ],
    ['no rule at all', 7, /not an object/],
  ];
  for (const [name, rule, problem] of rows) {
    const { authentication, ruleProblems } = read({ issuer: 'https://good' }, rule);
    assert.match(ruleProblems.join(), problem, name);
    assert.equal(authentication.rules.length, 2, name);
    assert.deepEqual([authentication.rules[0]?.jwks, authentication.rules[1]?.jwks], ['', '{"keys":[]}'], name);
  }
});
