/**
 * Each test of Gateway API's conformance suite for meshes (profiles MESH-HTTP and MESH-GRPC, core and extended, and those outside
 * profiles that are about meshes), as a scenario of ours; the name of the suite's test stands in front.
 */
import { FILTERS } from './filters.ts';
import { FORWARDING } from './forwarding.ts';
import { FRONTENDS } from './frontends.ts';
import { GRPC } from './grpc.ts';
import type { Scenario } from './scenario.ts';

export const SCENARIOS: readonly Scenario[] = [...FORWARDING, ...FILTERS, ...GRPC, ...FRONTENDS];
