import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Address, type Authorization, EMPTY_MATCH, mustParseIp } from '../../mesh/index.ts';
import { certificateRequest, readCertificateRequest } from './certificate-service.ts';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from './gen/istio/v1/auth/ca_pb.ts';
import { decodeAddress, decodeAuthorization, encodeAddress, encodeAuthorization } from './index.ts';

// Bytes written down from the field numbers, not taken from an encoder: key = number << 3 | wire type (0 varint, 2 length),
// two bytes from number 16 on; 15008 = a0 75, 8080 = 90 3f, 86400 = 80 a3 05.
const bytes = (text: string): Uint8Array => Buffer.from(text.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, ''), 'hex');
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');
const inside = (tag: string, body: string): Uint8Array => {
  const content = bytes(body);
  const { length } = content;
  const prefix = length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
  return Buffer.concat([bytes(tag), Buffer.from(prefix), content]);
};

const GATEWAY_BY_NAME = '0a 06 0a 01 6e 12 01 68  18 a0 75'; // hostname = 1 { n, h }, hbone_mtls_port = 3
const gatewayByName = {
  destination: { kind: 'hostname', namespace: 'n', hostname: 'h' },
  hboneMtlsPort: 15008,
} as const;
const port = { servicePort: 80, targetPort: 8080, appProtocol: 'HTTP11' } as const;

const WORKLOAD = `
  0a 01 70                       # 1 name p
  12 01 6e                       # 2 namespace n
  1a 04 0a 00 00 01              # 3 addresses 10.0.0.1
  1a 10 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01  # 3 addresses fd00::1
  22 01 77                       # 4 network w
  28 01                          # 5 tunnel_protocol HBONE
  32 01 74                       # 6 trust_domain t
  3a 01 73                       # 7 service_account s
  42 0b ${GATEWAY_BY_NAME}       # 8 waypoint
  4a 01 6f                       # 9 node o
  52 01 63                       # 10 canonical_name c
  5a 01 72                       # 11 canonical_revision r
  60 02                          # 12 workload_type POD
  6a 01 61                       # 13 workload_name a
  70 01                          # 14 native_tunnel
  82 01 03 6e 2f 78              # 16 authorization_policies n/x
  88 01 01                       # 17 status UNHEALTHY
  92 01 01 6b                    # 18 cluster_id k
  9a 01 0d 12 09 0a 01 77 12 04 0a 00 00 02 18 01  # 19 network_gateway address = 2 { w, 10.0.0.2 }, port 1
  a2 01 01 75                    # 20 uid u
  aa 01 01 68                    # 21 hostname h
  b2 01 10 0a 03 6e 2f 73 12 09 0a 07 08 50 10 90 3f 18 01  # 22 services n/s: 80 to 8080 HTTP11
  ba 01 05 08 01 10 f0 75        # 23 application_tunnel PROXY 15088
  c2 01 09 0a 01 31 12 01 32 1a 01 33  # 24 locality 1 2 3
  c8 01 01                       # 25 network_mode HOST_NETWORK
  da 01 02 08 03                 # 27 capacity 3
`;
const workload: Address = {
  kind: 'workload',
  workload: {
    uid: 'u',
    name: 'p',
    namespace: 'n',
    addresses: [mustParseIp('10.0.0.1'), mustParseIp('fd00::1')],
    network: 'w',
    tunnelProtocol: 'HBONE',
    trustDomain: 't',
    serviceAccount: 's',
    waypoint: gatewayByName,
    node: 'o',
    canonicalName: 'c',
    canonicalRevision: 'r',
    workloadType: 'POD',
    workloadName: 'a',
    nativeTunnel: true,
    authorizationPolicies: ['n/x'],
    status: 'UNHEALTHY',
    clusterId: 'k',
    networkGateway: {
      destination: { kind: 'address', network: 'w', address: mustParseIp('10.0.0.2') },
      hboneMtlsPort: 1,
    },
    hostname: 'h',
    services: new Map([['n/s', [port]]]),
    applicationTunnel: { protocol: 'PROXY', port: 15088 },
    locality: { region: '1', zone: '2', subzone: '3' },
    networkMode: 'HOST_NETWORK',
    capacity: 3,
  },
};

const SERVICE = `
  0a 01 73                       # 1 name s
  12 01 6e                       # 2 namespace n
  1a 01 68                       # 3 hostname h
  22 09 0a 01 77 12 04 0a 60 00 01     # 4 addresses w/10.96.0.1
  22 08 12 04 0a 61 00 00 18 18  # 4 addresses 10.97.0.0/24
  2a 07 08 50 10 90 3f 18 01     # 5 ports
  32 01 78                       # 6 subject_alt_names x
  3a 0b 12 06 12 04 0a 00 00 03 18 a0 75  # 7 waypoint address 10.0.0.3
  42 08 0a 02 06 01 10 02 18 01  # 8 load_balancing [NETWORK, REGION] FAILOVER ALLOW_ALL
  48 03                          # 9 ip_families DUAL
  58 01                          # 11 canonical
  60 01                          # 12 ingress_use_waypoint
  6a 0f 0a 0b ${GATEWAY_BY_NAME} 10 05  # 13 weighted_waypoints weight 5
  70 01                          # 14 visibility NAMESPACE
`;
const service: Address = {
  kind: 'service',
  service: {
    name: 's',
    namespace: 'n',
    hostname: 'h',
    addresses: [
      { network: 'w', address: mustParseIp('10.96.0.1') },
      { network: '', address: mustParseIp('10.97.0.0'), length: 24 },
    ],
    ports: [port],
    subjectAltNames: ['x'],
    waypoint: {
      destination: { kind: 'address', network: '', address: mustParseIp('10.0.0.3') },
      hboneMtlsPort: 15008,
    },
    weightedWaypoints: [{ destination: gatewayByName, weight: 5 }],
    loadBalancing: { routingPreference: ['NETWORK', 'REGION'], mode: 'FAILOVER', healthPolicy: 'ALLOW_ALL' },
    ipFamilies: 'DUAL',
    canonical: true,
    ingressUseWaypoint: true,
    visibility: 'NAMESPACE',
  },
};

for (const [name, address, golden] of [
  ['a workload', workload, inside('0a', WORKLOAD)],
  ['a service', service, inside('12', SERVICE)],
] as const) {
  test(`${name} with every field has exactly these bytes, both ways`, () => {
    assert.equal(hex(encodeAddress(address)), hex(golden));
    assert.deepEqual(decodeAddress(golden), address);
  });
}

test('what a workload leaves out has its default', () => {
  const decoded = decodeAddress(bytes('0a 04 a2 01 01 75'));
  assert.ok(decoded.kind === 'workload');
  const { trustDomain, serviceAccount, clusterId, capacity, workloadType, status, waypoint } = decoded.workload;
  assert.deepEqual(
    [trustDomain, serviceAccount, clusterId, capacity, workloadType, status, waypoint],
    ['cluster.local', 'default', 'Kubernetes', 1, 'DEPLOYMENT', 'HEALTHY', undefined],
  );
});

const MATCH = `
  0a 03 0a 01 78                 # 1 namespaces exact x
  12 03 12 01 78                 # 2 not_namespaces prefix x
  1a 03 1a 01 78                 # 3 principals suffix x
  22 02 22 00                    # 4 not_principals presence
  2a 08 0a 04 0a 00 00 00 10 08  # 5 source_ips 10.0.0.0/8
  32 08 0a 04 0a 01 00 00 10 10  # 6 not_source_ips 10.1.0.0/16
  3a 06 0a 04 00 00 00 00        # 7 destination_ips 0.0.0.0/0
  42 14 0a 10 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 10 08  # 8 not_destination_ips fd00::/8
  4a 03 50 bb 03                 # 9 destination_ports 80 443
  52 01 16                       # 10 not_destination_ports 22
  5a 06 0a 01 6e 12 01 73        # 11 service_accounts n s
  62 03 0a 01 6e                 # 12 not_service_accounts n
`;
const cidr = (address: string, prefix: number) => ({ address: mustParseIp(address), prefix });
const authorization: Authorization = {
  name: 'a',
  namespace: 'n',
  scope: 'WORKLOAD_SELECTOR',
  action: 'DENY',
  rules: [
    {
      clauses: [
        {
          matches: [
            {
              namespaces: [{ kind: 'exact', value: 'x' }],
              notNamespaces: [{ kind: 'prefix', value: 'x' }],
              principals: [{ kind: 'suffix', value: 'x' }],
              notPrincipals: [{ kind: 'presence' }],
              sourceIps: [cidr('10.0.0.0', 8)],
              notSourceIps: [cidr('10.1.0.0', 16)],
              destinationIps: [cidr('0.0.0.0', 0)],
              notDestinationIps: [cidr('fd00::', 8)],
              destinationPorts: [80, 443],
              notDestinationPorts: [22],
              serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }],
              notServiceAccounts: [{ namespace: 'n', serviceAccount: '' }],
            },
          ],
        },
      ],
    },
  ],
  dryRun: true,
};

test('an authorization with every field has exactly these bytes, both ways', () => {
  const rule = inside('2a', hex(inside('0a', hex(inside('12', MATCH))))); // rules = 5 { clauses = 1 { matches = 2 } }
  const golden = bytes(`0a 01 61 12 01 6e 18 02 20 01 ${hex(rule)} 30 01`);
  assert.equal(hex(encodeAuthorization(authorization)), hex(golden));
  assert.deepEqual(decodeAuthorization(golden), authorization);
});

test('rules, clauses and matches that are empty stay distinguishable', () => {
  const golden = bytes('2a 00  2a 02 0a 00  2a 04 0a 02 12 00'); // no clauses; no matches; one empty match
  assert.deepEqual(decodeAuthorization(golden).rules, [
    { clauses: [] },
    { clauses: [{ matches: [] }] },
    { clauses: [{ matches: [EMPTY_MATCH] }] },
  ]);
});

const INVALID: readonly (readonly [string, () => unknown, string])[] = [
  ['neither workload nor service', () => decodeAddress(bytes('')), 'type: neither'],
  ['garbage', () => decodeAddress(bytes('0a 7f 00')), 'resource: not a readable'],
  [
    'an address of 5 bytes',
    () => decodeAddress(bytes('0a 07 1a 05 01 02 03 04 05')),
    'addresses: an address has 4 or 16',
  ],
  ['the legacy tunnel', () => decodeAddress(bytes('0a 02 28 02')), 'tunnel_protocol: LEGACY_ISTIO_MTLS'],
  ['an unknown tunnel', () => decodeAddress(bytes('0a 02 28 07')), 'tunnel_protocol: unknown value 7'],
  ['an unknown status', () => decodeAddress(bytes('0a 03 88 01 02')), 'status: unknown value 2'],
  ['an unknown network mode', () => decodeAddress(bytes('0a 03 c8 01 02')), 'network_mode: unknown value 2'],
  [
    'an unknown application tunnel',
    () => decodeAddress(bytes('0a 05 ba 01 02 08 02')),
    'application_tunnel.protocol: unknown',
  ],
  [
    'a services key without a slash',
    () => decodeAddress(bytes('0a 08 b2 01 05 0a 01 73 12 00')),
    'services: "s" is not',
  ],
  ['a waypoint without destination', () => decodeAddress(bytes('0a 02 42 00')), 'waypoint.destination: missing'],
  ['an unknown IP family', () => decodeAddress(bytes('12 02 48 04')), 'ip_families: unknown value 4'],
  [
    'an unspecified scope',
    () => decodeAddress(bytes('12 05 42 03 0a 01 00')),
    'load_balancing.routing_preference: unspecified',
  ],
  [
    'an unknown scope',
    () => decodeAddress(bytes('12 05 42 03 0a 01 07')),
    'load_balancing.routing_preference: unknown value 7',
  ],
  ['an unknown mode', () => decodeAddress(bytes('12 04 42 02 10 04')), 'load_balancing.mode: unknown value 4'],
  [
    'an unknown health policy',
    () => decodeAddress(bytes('12 04 42 02 18 02')),
    'load_balancing.health_policy: unknown',
  ],
  [
    'a VIP range of 33 bits',
    () => decodeAddress(bytes('12 0a 22 08 12 04 0a 60 00 01 18 21')),
    'addresses.length: a prefix length of 33',
  ],
  ['an unknown policy scope', () => decodeAuthorization(bytes('18 03')), 'scope: unknown value 3'],
  ['an unknown policy action', () => decodeAuthorization(bytes('20 02')), 'action: unknown value 2'],
  [
    'a string match of no kind',
    () => decodeAuthorization(bytes('2a 06 0a 04 12 02 0a 00')),
    'namespaces: a string match',
  ],
  [
    'a policy range of 5 bytes',
    () => decodeAuthorization(bytes('2a 0d 0a 0b 12 09 2a 07 0a 05 01 02 03 04 05')),
    'source_ips: an address',
  ],
];
for (const [name, decode, reason] of INVALID) {
  test(`a resource with ${name} is refused, naming the field`, () => {
    assert.throws(decode, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'XDS_RESOURCE_INVALID');
      assert.ok(error.message.startsWith(`[XDS_RESOURCE_INVALID] ${reason}`), error.message);
      return true;
    });
  });
}

test('values that only inform are never a reason to refuse', () => {
  const odd = decodeAddress(bytes('0a 02 60 09')); // workload_type 9
  assert.equal(odd.kind === 'workload' && odd.workload.workloadType, 'DEPLOYMENT');
  const visible = decodeAddress(bytes('12 02 70 09')); // visibility 9
  assert.equal(visible.kind === 'service' && visible.service.visibility, 'PUBLIC');
  const ports = decodeAddress(bytes('12 08 2a 06 08 81 80 04 18 09')); // service_port 65537, app_protocol 9
  assert.deepEqual(ports.kind === 'service' && ports.service.ports, [
    { servicePort: 1, targetPort: 0, appProtocol: 'UNKNOWN' },
  ]);
});

test('a discovery request has exactly these bytes, both ways', () => {
  const golden = bytes(`
    0a 0f 0a 01 69 1a 0a 0a 08 0a 01 4e 12 03 1a 01 76  # 1 node { id = 1 i, metadata = 3 { N: "v" } }
    12 01 54                     # 2 type_url T
    1a 01 61                     # 3 resource_names_subscribe a
    22 01 62                     # 4 resource_names_unsubscribe b
    2a 06 0a 01 6e 12 01 31      # 5 initial_resource_versions n: 1
    32 01 6f                     # 6 response_nonce o
    3a 03 12 01 6d               # 7 error_detail { message = 2 m }
  `);
  const request = create(DeltaDiscoveryRequestSchema, {
    node: { id: 'i', metadata: { N: 'v' } },
    typeUrl: 'T',
    resourceNamesSubscribe: ['a'],
    resourceNamesUnsubscribe: ['b'],
    initialResourceVersions: { n: '1' },
    responseNonce: 'o',
    errorDetail: { message: 'm' },
  });
  assert.equal(hex(toBinary(DeltaDiscoveryRequestSchema, request)), hex(golden));
  assert.deepEqual(fromBinary(DeltaDiscoveryRequestSchema, golden), request);
});

test('a discovery response has exactly these bytes, both ways', () => {
  const golden = bytes(`
    0a 01 76                     # 1 system_version_info v
    12 11 0a 01 31 12 06 0a 01 54 12 01 ff 1a 01 6e 22 01 78  # 2 resources { version 1, Any { T, ff }, name n, aliases x }
    22 01 54                     # 4 type_url T
    2a 01 6f                     # 5 nonce o
    32 01 67                     # 6 removed_resources g
  `);
  const response = create(DeltaDiscoveryResponseSchema, {
    systemVersionInfo: 'v',
    resources: [{ version: '1', resource: { typeUrl: 'T', value: bytes('ff') }, name: 'n', aliases: ['x'] }],
    typeUrl: 'T',
    nonce: 'o',
    removedResources: ['g'],
  });
  assert.equal(hex(toBinary(DeltaDiscoveryResponseSchema, response)), hex(golden));
  assert.equal(fromBinary(DeltaDiscoveryResponseSchema, golden).resources[0]?.aliases[0], 'x');
});

test('a certificate request names the impersonated identity, and an answer is a list of PEM', () => {
  const golden = bytes(`
    0a 01 63                     # 1 csr c
    18 80 a3 05                  # 3 validity_duration 86400
    22 1d 0a 1b 0a 14 49 6d 70 65 72 73 6f 6e 61 74 65 64 49 64 65 6e 74 69 74 79 12 03 1a 01 73  # 4 metadata
  `);
  const request = { csrPem: 'c', ttlSeconds: 86_400, impersonatedIdentity: 's' };
  assert.equal(hex(toBinary(IstioCertificateRequestSchema, certificateRequest(request))), hex(golden));
  assert.deepEqual(readCertificateRequest(fromBinary(IstioCertificateRequestSchema, golden)), request);
  const answer = fromBinary(IstioCertificateResponseSchema, bytes('0a 01 6c 0a 01 72'));
  assert.deepEqual(answer.certChain, ['l', 'r']);
});

test('without impersonation the metadata is absent', () => {
  const message = certificateRequest({ csrPem: 'c', ttlSeconds: 0, impersonatedIdentity: undefined });
  assert.equal(hex(toBinary(IstioCertificateRequestSchema, message)), hex(bytes('0a 01 63')));
});
