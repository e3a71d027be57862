import type { ResourceInfo } from '../types.ts';
import { builtinTopology } from './builtin-topology.ts';
import { schemaTopology } from './schema-topology.ts';
import type { Topology } from './topology.ts';

/** How objects of this resource merge: by the built-in table, or by the marks in a custom resource's schema. */
export function topologyOf(info: ResourceInfo): Topology {
  return info.custom ? schemaTopology(info.schema) : builtinTopology(info.group, info.kind);
}
