import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { parseAllDocuments } from 'yaml';
import { token } from './token.ts';

type JwtRule = { readonly issuer: string; readonly jwks: string };

const NOW_S = 1_800_000_000;
const objects = parseAllDocuments(readFileSync(join(import.meta.dirname, 'shop-l7.yaml'), 'utf8')).map((d) => d.toJS());
const [rule] = objects.find(({ kind }) => kind === 'RequestAuthentication').spec.jwtRules as [JwtRule];

const verify = (text: string) =>
  jwtVerify(text, createLocalJWKSet(JSON.parse(rule.jwks)), {
    issuer: rule.issuer,
    currentDate: new Date(NOW_S * 1000),
  });

test('a token of the samples is good for the key and the issuer that shop-l7.yaml names', async () => {
  const { payload } = await verify(token({ sub: 'alice' }, NOW_S));
  assert.equal(payload.sub, 'alice');
});

test('a token that is expired, or signed by somebody else, is not', async () => {
  await assert.rejects(verify(token({ sub: 'alice', isExpired: true }, NOW_S)), { code: 'ERR_JWT_EXPIRED' });
  await assert.rejects(verify(token({ sub: 'alice', isForged: true }, NOW_S)), {
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  });
});
