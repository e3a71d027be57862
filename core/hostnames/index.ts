/** Host names of the mesh's configuration: asked for when needed, kept as long as they are true. */
export { Hostnames, type LookUp } from './hostnames.ts';
export { type NameServer, openNameServer } from './name-server.ts';
