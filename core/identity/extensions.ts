/** The X.509 v3 extensions that mesh certificates carry. */
import { createHash } from 'node:crypto';
import { BitString, OctetString } from 'asn1js';
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  Extension,
  ExtKeyUsage,
  GeneralName,
  GeneralNames,
  type PublicKeyInfo,
} from 'pkijs';
import { OID } from './oid.ts';

// RFC 5280 section 4.2.1.6, tags of GeneralName
const DNS_NAME = 2;
const URI_NAME = 6;

/** Critical, because the subject is empty (RFC 5280 section 4.1.2.6). */
export function subjectAltName(names: { readonly uris?: readonly string[]; readonly dnsNames?: readonly string[] }) {
  const all = [
    ...(names.uris ?? []).map((value) => new GeneralName({ type: URI_NAME, value })),
    ...(names.dnsNames ?? []).map((value) => new GeneralName({ type: DNS_NAME, value })),
  ];
  return extension(OID.subjectAltName, true, new GeneralNames({ names: all }).toSchema().toBER());
}

/** digitalSignature and keyEncipherment for leafs, keyCertSign and cRLSign for authorities (RFC 5280 section 4.2.1.3). */
export function keyUsage(role: 'leaf' | 'authority') {
  const [bits, unusedBits] = role === 'leaf' ? [0b1010_0000, 5] : [0b0000_0110, 1];
  const value = new BitString({ valueHex: new Uint8Array([bits]).buffer, unusedBits });
  return extension(OID.keyUsage, true, value.toBER());
}

export function serverAndClientUsage() {
  const usage = new ExtKeyUsage({ keyPurposes: [OID.serverAuth, OID.clientAuth] });
  return extension(OID.extendedKeyUsage, false, usage.toSchema().toBER());
}

export function basicConstraints(isCa: boolean) {
  return extension(OID.basicConstraints, true, new BasicConstraints({ cA: isCa }).toSchema().toBER());
}

export function subjectKeyIdentifier(id: Uint8Array<ArrayBuffer>) {
  return extension(OID.subjectKeyIdentifier, false, new OctetString({ valueHex: id.buffer }).toBER());
}

export function authorityKeyIdentifier(id: Uint8Array<ArrayBuffer>) {
  const value = new AuthorityKeyIdentifier({ keyIdentifier: new OctetString({ valueHex: id.buffer }) });
  return extension(OID.authorityKeyIdentifier, false, value.toSchema().toBER());
}

/** RFC 5280 section 4.2.1.2, method 1: SHA-1 of the key's bits (a name, not a protection). */
export function keyIdentifier(key: PublicKeyInfo): Uint8Array<ArrayBuffer> {
  const bits = Buffer.from(key.subjectPublicKey.valueBlock.valueHexView);
  return new Uint8Array(createHash('sha1').update(bits).digest());
}

function extension(extnID: string, critical: boolean, extnValue: ArrayBuffer): Extension {
  return new Extension({ extnID, critical, extnValue });
}
