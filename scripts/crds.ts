/** Writes manifests/10-crds.yaml from the schemas in core/kube; with --check says whether the file is fresh. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import {
  AUTHORIZATION_POLICY_CRD,
  PEER_AUTHENTICATION_CRD,
  SERVICE_ENTRY_CRD,
  WORKLOAD_ENTRY_CRD,
} from '../core/kube/index.ts';
import type { KubeObject } from '../mesh/index.ts';

const FILE = join(import.meta.dirname, '../manifests/10-crds.yaml');

const owned = (crd: KubeObject) => ({
  ...crd,
  metadata: { ...crd.metadata, labels: { ...crd.metadata.labels, 'app.kubernetes.io/part-of': 'ambit' } },
});

const text = [
  '# Made by scripts/crds.ts from the schemas in core/kube; change those.\n',
  [AUTHORIZATION_POLICY_CRD, PEER_AUTHENTICATION_CRD, SERVICE_ENTRY_CRD, WORKLOAD_ENTRY_CRD]
    .map((crd) => stringify(owned(crd), { lineWidth: 120, aliasDuplicateObjects: false }))
    .join('---\n'),
].join('');

if (!process.argv.includes('--check')) {
  writeFileSync(FILE, text);
} else if (readFileSync(FILE, 'utf8') !== text) {
  console.error('manifests/10-crds.yaml is stale: run sh scripts/node.sh scripts/crds.ts');
  process.exit(1);
}
