import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import type { PortRoutes } from '../../mesh/index.ts';
import { RandomRoutes } from '../../mesh/route/test-routes.ts';
import { seeded } from '../../mesh/test-support.ts';
import { PortRoutesSchema } from './gen/ambit/waypoint/v1/route_pb.ts';

test('routes arrive as they were sent, whatever they say', () => {
  const random = new RandomRoutes(seeded(5));
  let bytes = 0;
  for (let round = 0; round < 300; round++) {
    const routes: PortRoutes = random.routes();
    const sent = toBinary(PortRoutesSchema, fromJson(PortRoutesSchema, routes as unknown as JsonValue));
    bytes += sent.length;
    const options = { alwaysEmitImplicit: true };
    assert.deepEqual(toJson(PortRoutesSchema, fromBinary(PortRoutesSchema, sent), options), routes);
  }
  assert.ok(bytes > 10_000, 'they say something');
});
