import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keysServiceOf } from './keys-service.ts';

const ISSUER = 'auth/issuer.auth.svc.cluster.local';
const rows: readonly (readonly [name: string, rule: object, service: string])[] = [
  ['a full name', { jwksUri: 'http://issuer.auth.svc.cluster.local:8080/keys' }, ISSUER],
  ['a full name with a dot at its end', { jwksUri: 'http://issuer.auth.svc.cluster.local.:8080/keys' }, ISSUER],
  ['a name without the domain', { jwksUri: 'http://issuer.auth.svc/keys' }, ISSUER],
  ['a name and a namespace', { jwksUri: 'http://Issuer.auth/keys' }, ISSUER],
  ['a name of the own namespace', { jwksUri: 'http://issuer/keys' }, 'shop/issuer.shop.svc.cluster.local'],
  ['discovery', { issuer: 'http://issuer.auth.svc:8080/realms/a' }, ISSUER],
  ['an issuer whose keys are elsewhere', { issuer: 'http://issuer.auth.svc', jwksUri: 'https://keys.example/' }, ''],
  ['an issuer whose keys are written out', { issuer: 'http://issuer.auth.svc', jwks: '{"keys":[]}' }, ''],
  ['TLS', { jwksUri: 'https://issuer.auth.svc/keys' }, ''],
  ['a host outside', { jwksUri: 'http://keys.issuer.example/keys' }, ''],
  ['another domain', { jwksUri: 'http://issuer.auth.svc.other.local/keys' }, ''],
  ['a pod of a headless service', { jwksUri: 'http://issuer-0.issuer.auth.svc/keys' }, ''],
  ['no namespace', { jwksUri: 'http://issuer.svc/keys' }, ''],
  ['an address', { jwksUri: 'http://10.0.0.1/keys' }, ''],
  ['an address of IPv6', { jwksUri: 'http://[fd00::1]/keys' }, ''],
  ['an issuer that is no URL', { issuer: 'me' }, ''],
];

for (const [name, rule, service] of rows) {
  test(`keys by ${name} are ${service === '' ? 'of no service' : `those of ${service}`}`, () => {
    const whole = { jwks: '', jwksUri: '', issuer: 'me', ...rule };
    assert.equal(keysServiceOf(whole, 'shop', 'cluster.local'), service);
  });
}
