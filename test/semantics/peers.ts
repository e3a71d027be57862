/** Rows: PeerAuthentication, alone and beside AuthorizationPolicies. */
import { ap, type Case, identityOf, pa, policy, selecting, source } from './case.ts';

const STRICT = { mtls: { mode: 'STRICT' } };
const PERMISSIVE = { mtls: { mode: 'PERMISSIVE' } };
const STATIC = 'deny istio-system/istio_converted_static_strict#0';
const DERIVED = (rule: number, name = 'own') => `deny shop/converted_peer_authentication_${name}#${rule}`;
const OPEN = 'allow no-allow-policies';
const own = (mtls: object, ports: Readonly<Record<number, string>> = {}) => {
  const portLevelMtls = Object.fromEntries(Object.entries(ports).map(([port, mode]) => [port, { mode }]));
  return pa('own', { ...selecting('server'), ...mtls, portLevelMtls });
};

export const PEERS: readonly Case[] = [
  {
    name: 'STRICT of the mesh keeps plaintext out everywhere',
    objects: () => [pa('istio-system/default', STRICT)],
    calls: { outside: STATIC, 'outside to other': STATIC, 'outside v6': STATIC, client: OPEN },
  },
  {
    name: 'STRICT of a namespace',
    objects: () => [pa('default', STRICT)],
    calls: { outside: STATIC, 'outside to other': STATIC, client: OPEN },
  },
  {
    name: 'STRICT of another namespace',
    objects: () => [pa('office/default', STRICT)],
    calls: { outside: OPEN },
  },
  {
    name: 'STRICT of one workload',
    objects: () => [own(STRICT)],
    calls: { outside: STATIC, 'outside to other': OPEN, client: OPEN },
  },
  {
    name: 'a namespace that opens a strict mesh',
    objects: () => [pa('istio-system/default', STRICT), pa('default', PERMISSIVE)],
    calls: { outside: OPEN },
  },
  {
    name: 'a workload that opens a strict namespace',
    objects: () => [pa('default', STRICT), own({ mtls: { mode: 'DISABLE' } })],
    calls: { outside: OPEN, 'outside to other': STATIC },
  },
  {
    name: 'UNSET asks the tier above',
    objects: () => [pa('istio-system/default', STRICT), pa('default', { mtls: { mode: 'UNSET' } }), own({})],
    calls: { outside: STATIC },
  },
  {
    name: 'an open port of a strict workload',
    objects: () => [own(STRICT, { 8081: 'PERMISSIVE' })],
    calls: { outside: DERIVED(0), 'outside 8081': OPEN, client: OPEN, 'client 8081': OPEN },
  },
  {
    name: 'a strict port of an open workload',
    objects: () => [own(PERMISSIVE, { 8081: 'STRICT' })],
    calls: { outside: OPEN, 'outside 8081': DERIVED(0), 'client 8081': OPEN },
  },
  {
    name: 'a disabled port under an inherited STRICT',
    objects: () => [pa('default', STRICT), own({}, { 8081: 'DISABLE' })],
    calls: { outside: DERIVED(0), 'outside 8081': OPEN, 'outside to other 8081': STATIC },
  },
  {
    name: 'an open port under the STRICT of the mesh, through a namespace that says nothing',
    objects: () => [pa('istio-system/default', STRICT), pa('default', {}), own({}, { 8081: 'PERMISSIVE' })],
    calls: { outside: DERIVED(0), 'outside 8081': OPEN },
  },
  {
    name: 'two strict ports',
    objects: () => [own({}, { 8081: 'STRICT', 8080: 'STRICT' })],
    calls: { outside: DERIVED(0), 'outside 8081': DERIVED(1) },
  },
  {
    name: 'of two in one tier the oldest',
    objects: () => [pa('a', PERMISSIVE, 2), pa('z', STRICT, 1)],
    calls: { outside: STATIC },
  },
  {
    name: 'a selector in the root namespace is without effect',
    objects: () => [pa('istio-system/own', { ...selecting('server'), ...STRICT })],
    calls: { outside: OPEN },
  },
  {
    name: 'a mode that is none is STRICT',
    objects: () => [pa('default', { mtls: { mode: 'ON' } })],
    calls: { outside: STATIC, client: OPEN },
  },
  {
    name: 'STRICT wins over an ALLOW of everybody',
    objects: () => [pa('default', STRICT), policy('ALLOW', {})],
    calls: { outside: STATIC, client: 'allow shop/p#0' },
  },
  {
    name: 'an ALLOW under STRICT still decides about identities',
    objects: () => [pa('default', STRICT), ap('p', { rules: [source({ principals: [identityOf('near')] })] })],
    calls: { outside: STATIC, near: 'allow shop/p#0', client: 'deny no-allow-match (nearest shop/p#0 principals)' },
  },
];
