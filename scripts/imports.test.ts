import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkImports } from './imports.ts';

const rows: readonly [string, string, string, RegExp | undefined][] = [
  ['the pure heart may not open a file', 'mesh/a.ts', "import { readFileSync } from 'node:fs';", /mesh is pure/],
  [
    'the pure heart may not load anything later either',
    'mesh/a.ts',
    "const fs = await import('node:fs');",
    /mesh is pure/,
  ],
  ['the pure heart may parse addresses', 'mesh/a.ts', "import ip from 'ipaddr.js';", undefined],
  [
    'components never import one another',
    'ztunnel/a.ts',
    "import { x } from '../cni/agent/agent.ts';",
    /ztunnel may not import cni/,
  ],
  [
    'nothing knows of the lab',
    'controller/a.ts',
    "export * from '../lab/api/index.ts';",
    /controller may not import lab/,
  ],
  [
    'tunnels have never heard of Kubernetes',
    'core/hbone/a.ts',
    "import { x } from '../kube/index.ts';",
    /core\/hbone may not import core\/kube/,
  ],
  [
    "nobody imports past a part's wall",
    'cni/agent/a.ts',
    "import { x } from '../../core/net/kernel.ts';",
    /past the wall of core\/net/,
  ],
  [
    "nobody imports past the heart's wall",
    'core/xds/a.ts',
    "import type { X } from '../../mesh/model.ts';",
    /past the wall of mesh/,
  ],
  ['through the wall it is allowed', 'cni/agent/a.ts', "import { x } from '../../core/net/index.ts';", undefined],
  ['tests may look inside', 'ztunnel/a.test.ts', "import { x } from '../cni/agent/agent.ts';", undefined],
];

for (const [name, file, source, wanted] of rows) {
  test(name, () => {
    const root = mkdtempSync(join(tmpdir(), 'ambit-imports-'));
    try {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), `${source}\n`);
      const problems = checkImports(root);
      if (wanted === undefined) assert.deepEqual(problems, []);
      else assert.match(problems.join('\n'), wanted);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}
