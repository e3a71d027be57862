import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBER, Sequence } from 'asn1js';
import { CertificationRequest, Extension } from 'pkijs';
import { MeshError } from '../../mesh/index.ts';
import { RSA_CSR_ASKING_FOR_ADMIN, SECP256K1_CSR } from './csr-samples.ts';
import { generateKeyAndCsr, keyMatches, parseCsr, pemBlocks, toPem } from './index.ts';

const ID = 'spiffe://cluster.local/ns/default/sa/sleep';

const der = (pem: string): Buffer => Buffer.from(pemBlocks(pem)[0]?.der ?? []);
const asPem = (bytes: Uint8Array): string => toPem('CERTIFICATE REQUEST', bytes);

test('a request has an empty subject and one critical SAN with the identity, and its key is PKCS #8', async () => {
  const { csrPem, privateKeyPem } = await generateKeyAndCsr(ID);
  const csr = CertificationRequest.fromBER(new Uint8Array(der(csrPem)));
  assert.equal(csr.subject.typesAndValues.length, 0);
  assert.equal(csr.attributes?.length, 1);
  assert.equal(csr.attributes?.[0]?.type, '1.2.840.113549.1.9.14'); // extensionRequest
  const extensions = csr.attributes?.[0]?.values[0];
  assert.ok(extensions instanceof Sequence);
  assert.equal(extensions.valueBlock.value.length, 1);
  const san = new Extension({ schema: extensions.valueBlock.value[0] });
  assert.equal(san.extnID, '2.5.29.17');
  assert.equal(san.critical, true);
  // By hand: SEQUENCE of one [6] IA5String.
  const uri = Buffer.from(ID, 'latin1');
  const expected = Buffer.concat([Buffer.from([0x30, uri.length + 2, 0x86, uri.length]), uri]);
  assert.deepEqual(Buffer.from(san.extnValue.valueBlock.valueHexView), expected);
  assert.match(privateKeyPem, /^-----BEGIN PRIVATE KEY-----/);
  assert.ok(keyMatches(privateKeyPem, parseCsr(csrPem).publicKey));
});

test('an RSA request of OpenSSL is read, and its names are only claims', () => {
  const csr = parseCsr(RSA_CSR_ASKING_FOR_ADMIN);
  assert.equal(csr.publicKey.asymmetricKeyType, 'rsa');
  assert.equal(csr.commonName, 'evil.example');
});

test('a malformed request is refused with the reason', async (t) => {
  const { csrPem } = await generateKeyAndCsr(ID);
  const tampered = der(csrPem);
  const at = tampered.indexOf('sleep');
  tampered.write('admin', at, 'latin1');
  const badSignature = der(csrPem);
  badSignature[badSignature.length - 1] = (badSignature.at(-1) ?? 0) ^ 1;
  const swapped = der(RSA_CSR_ASKING_FOR_ADMIN);
  const rows: Record<string, [string, RegExp]> = {
    'no PEM at all': ['hello', /it is not PEM/],
    'an empty text': ['', /it is not PEM/],
    'another kind of block': [toPem('PRIVATE KEY', der(csrPem)), /PEM block is PRIVATE KEY/],
    'two requests': [csrPem + csrPem, /more than one PEM block/],
    'a block cut short': [csrPem.slice(0, -40), /blocks begin, but only 0/],
    'DER cut short': [asPem(der(csrPem).subarray(0, 80)), /certificate request refused/],
    'bytes that are no request': [asPem(Buffer.from('3003020101', 'hex')), /certificate request refused/],
    'a name changed after signing': [asPem(tampered), /signature does not verify/],
    'a broken signature': [asPem(badSignature), /signature does not verify/],
    'a broken RSA signature': [asPem(swapped.fill(0, swapped.length - 9)), /signature does not verify/],
    'a curve outside the profile': [SECP256K1_CSR, /curve secp256k1 is not one of/],
    'an absurd length': [csrPem + 'x'.repeat(70_000), /longer than 65536/],
  };
  for (const [name, [pem, reason]] of Object.entries(rows)) {
    await t.test(name, () => {
      assert.throws(
        () => parseCsr(pem),
        (error) => error instanceof MeshError && error.code === 'CSR_INVALID' && reason.test(error.message),
      );
    });
  }
});

test('what we write is DER that reads back to the same bytes', async () => {
  const { csrPem } = await generateKeyAndCsr(ID);
  const bytes = new Uint8Array(der(csrPem));
  const { offset } = fromBER(bytes);
  assert.equal(offset, bytes.length);
});
