/** Writes the definitions among the manifests from the schemas in core/kube; with --check says whether the files are fresh. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import {
  AUTHORIZATION_POLICY_CRD,
  BACKEND_TLS_POLICY_CRD,
  DESTINATION_RULE_CRD,
  GATEWAY_CLASS_CRD,
  GATEWAY_CRD,
  GRPC_ROUTE_CRD,
  HTTP_ROUTE_CRD,
  PEER_AUTHENTICATION_CRD,
  REFERENCE_GRANT_CRD,
  REQUEST_AUTHENTICATION_CRD,
  SERVICE_ENTRY_CRD,
  TCP_ROUTE_CRD,
  TELEMETRY_CRD,
  TLS_ROUTE_CRD,
  WORKLOAD_ENTRY_CRD,
} from '../core/kube/crds/index.ts';

/** Those of Gateway API stand apart: many clusters have their own. */
const FILES = {
  '10-crds.yaml': [
    AUTHORIZATION_POLICY_CRD,
    DESTINATION_RULE_CRD,
    PEER_AUTHENTICATION_CRD,
    REQUEST_AUTHENTICATION_CRD,
    SERVICE_ENTRY_CRD,
    TELEMETRY_CRD,
    WORKLOAD_ENTRY_CRD,
  ],
  '11-gateway-api-crds.yaml': [
    GATEWAY_CLASS_CRD,
    GATEWAY_CRD,
    HTTP_ROUTE_CRD,
    GRPC_ROUTE_CRD,
    TCP_ROUTE_CRD,
    TLS_ROUTE_CRD,
    REFERENCE_GRANT_CRD,
    BACKEND_TLS_POLICY_CRD,
  ],
};

for (const [name, crds] of Object.entries(FILES)) {
  const path = join(import.meta.dirname, '../manifests', name);
  const text = [
    '# Made by scripts/crds.ts from the schemas in core/kube; change those.\n',
    crds.map((crd) => stringify(crd, { lineWidth: 120, aliasDuplicateObjects: false })).join('---\n'),
  ].join('');
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
  } else if (readFileSync(path, 'utf8') !== text) {
    console.error(`manifests/${name} is stale: run sh scripts/node.sh scripts/crds.ts`);
    process.exitCode = 1;
  }
}
