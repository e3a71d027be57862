import { promisify } from 'node:util';
import { brotliCompress, constants, deflate, gzip, zstdCompress } from 'node:zlib';

export type ContentCoding = 'gzip' | 'br' | 'zstd' | 'deflate';

const brotli = promisify(brotliCompress);
const ENCODERS: Readonly<Record<ContentCoding, (body: Buffer) => Promise<Buffer>>> = {
  zstd: promisify(zstdCompress) as (body: Buffer) => Promise<Buffer>,
  br: (body) => brotli(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  gzip: promisify(gzip) as (body: Buffer) => Promise<Buffer>,
  deflate: promisify(deflate) as (body: Buffer) => Promise<Buffer>,
};
/** Our preference among codings that the client likes equally. */
const PREFERENCE: readonly ContentCoding[] = ['zstd', 'br', 'gzip', 'deflate'];

/** The coding to use for an `Accept-Encoding` (RFC 9110 §12.5.3); undefined means as it is. */
export function chooseCoding(acceptEncoding: string | undefined): ContentCoding | undefined {
  if (acceptEncoding === undefined) return undefined;
  const quality = new Map<string, number>();
  for (const item of acceptEncoding.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = item.split(';').map((part) => part.trim());
    const q = parameters.find((p) => p.startsWith('q='))?.slice(2);
    const value = q === undefined ? 1 : Number(q);
    if (coding !== '' && Number.isFinite(value)) quality.set(coding, value);
  }
  const of = (coding: string) => quality.get(coding) ?? quality.get('*') ?? 0;
  let best: ContentCoding | undefined;
  for (const coding of PREFERENCE) if (of(coding) > (best === undefined ? 0 : of(best))) best = coding;
  const identity = quality.get('identity');
  return best !== undefined && identity !== undefined && identity > of(best) ? undefined : best;
}

export function compress(body: Buffer, coding: ContentCoding): Promise<Buffer> {
  return ENCODERS[coding](body);
}
