import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestCa } from '../../test/support/certificates.ts';
import { ancestryOf } from './ancestry.ts';
import { certificatesOf } from './pem.ts';
import { RevocationLists } from './revocation-lists.ts';

const ca = await TestCa.create();
const namesake = await TestCa.create(); // the same name, another key
const below = await ca.intermediate();
const direct = await ca.material(ca.id('shop', 'web'));
const indirect = await below.material(ca.id('shop', 'cart'));
const chainOf = ({ chain, roots }: { readonly chain: string; readonly roots: string }) => [
  ...certificatesOf(chain),
  ...certificatesOf(roots),
];
const parse = async (...pems: readonly Promise<string>[]) =>
  RevocationLists.parse(Buffer.from((await Promise.all(pems)).join('\n')));

describe('revocation lists', () => {
  it('a listed leaf is revoked, in PEM and in DER, and nobody else', async () => {
    const lists = await parse(ca.crl(['01', direct.serial]));
    assert.equal(lists.size, 2);
    assert.equal(lists.isRevoked(ancestryOf(chainOf(direct))), true);
    assert.equal(lists.isRevoked(ancestryOf(chainOf(indirect))), false);
    const der = Buffer.from((await ca.crl([direct.serial])).replace(/-----[^-]+-----|\s/g, ''), 'base64');
    assert.equal(RevocationLists.parse(der).isRevoked(ancestryOf(chainOf(direct))), true);
  });

  it('several lists count together, and each only for its own issuer', async () => {
    const lists = await parse(ca.crl([indirect.serial]), below.crl([direct.serial]));
    assert.equal(lists.isRevoked(ancestryOf(chainOf(direct))), false);
    assert.equal(lists.isRevoked(ancestryOf(chainOf(indirect))), false);
    const right = await parse(ca.crl([]), below.crl([indirect.serial]));
    assert.equal(right.isRevoked(ancestryOf(chainOf(indirect))), true);
  });

  it('a revoked intermediate revokes what it signed', async () => {
    const lists = await parse(ca.crl([below.serial]));
    assert.equal(lists.isRevoked(ancestryOf(chainOf(indirect))), true);
    assert.equal(lists.isRevoked(ancestryOf(chainOf(direct))), false);
  });

  it('a list in the right name with the wrong signature is without effect, and told of once', async () => {
    const lists = await parse(namesake.crl([direct.serial]));
    const foreign: string[] = [];
    for (let i = 0; i < 3; i++) {
      assert.equal(
        lists.isRevoked(ancestryOf(chainOf(direct)), (issuer) => foreign.push(issuer)),
        false,
      );
    }
    assert.equal(foreign.length, 1);
  });

  it('certificates that a peer adds hide nothing, not even authorities of the same name', async () => {
    const lists = await parse(ca.crl([direct.serial]));
    const junk = [...certificatesOf(namesake.authority.certPem), ...certificatesOf(below.authority.certPem)];
    const [leaf, ...roots] = chainOf(direct);
    assert.ok(leaf);
    assert.equal(lists.isRevoked(ancestryOf([leaf, ...junk, ...roots])), true);
    assert.throws(() => ancestryOf([leaf, ...junk]), { code: 'CHAIN_INCOMPLETE' });
  });

  it('an empty file revokes nothing', () => {
    for (const text of ['', ' \n']) {
      assert.equal(RevocationLists.parse(Buffer.from(text)).isRevoked(ancestryOf(chainOf(direct))), false);
    }
  });

  it('anything that is no list is an error', async () => {
    const pem = await ca.crl([direct.serial]);
    const files = [
      'hello',
      pem.slice(0, 100),
      pem.replace('A', '!'),
      `${pem}${direct.chain}`,
      direct.chain,
      Uint8Array.of(0x30, 0x03, 1, 1, 1),
      Uint8Array.of(0x30, 0x80),
    ];
    for (const file of files) {
      const bytes = typeof file === 'string' ? Buffer.from(file) : file;
      assert.throws(() => RevocationLists.parse(bytes), { code: 'CRL_MALFORMED' });
    }
  });
});
