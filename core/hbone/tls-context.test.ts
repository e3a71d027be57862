import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestCa } from '../../test/support/certificates.ts';
import { contextOptions } from './tls-context.ts';

test('without a root of the mesh nobody is trusted, rather than everybody whom the web trusts', async () => {
  const ca = await TestCa.create();
  const material = await ca.material(ca.id('shop', 'web'));
  assert.equal(contextOptions(material).ca, material.roots);
  for (const roots of ['', ' \n']) {
    assert.throws(() => contextOptions({ ...material, roots }), { code: 'MATERIAL_UNAVAILABLE' });
  }
});
