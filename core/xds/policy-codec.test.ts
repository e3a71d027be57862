import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import { RandomPolicies } from '../../mesh/http-policy/test-policies.ts';
import { seeded } from '../../mesh/test-support.ts';
import {
  ExternalAuthorizerSchema,
  HttpPolicySchema,
  JwtAuthenticationSchema,
} from './gen/ambit/waypoint/v1/policy_pb.ts';

test('policies, token rules and authorizers arrive as they were sent, whatever they say', () => {
  const random = new RandomPolicies(seeded(6));
  let bytes = 0;
  const survives = (schema: DescMessage, sent: unknown) => {
    const binary = toBinary(schema, fromJson(schema, sent as JsonValue));
    bytes += binary.length;
    assert.deepEqual(toJson(schema, fromBinary(schema, binary), { alwaysEmitImplicit: true }), sent);
  };
  for (let round = 0; round < 200; round++) {
    for (const policy of random.policies()) survives(HttpPolicySchema, policy);
    survives(JwtAuthenticationSchema, random.authentication());
    survives(ExternalAuthorizerSchema, random.authorizer());
  }
  assert.ok(bytes > 10_000, 'they say something');
});
