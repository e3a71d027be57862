/** External authorizers out of `extensionProviders` of the mesh configuration (waypoint.md section 4.4). Other providers are others' business. */
import * as z from 'zod';
import { parseDuration } from '../../validate/durations.ts';
import type { ExternalAuthorizer, Pattern } from '../model.ts';

/** As in the reference: a hand that is waiting for somebody, not a network that is slow. */
const DEFAULT_TIMEOUT_MS = 600_000;
const MAX_TIMEOUT_MS = 4_294_967_295;
/** What a waypoint holds of a body at most; more is a mistake of whoever configures it. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const port = z.number().int().min(1).max(65_535);
const timeout = z
  .string()
  .transform((written, context): number => {
    const ms = parseDuration(written);
    if (ms !== undefined && ms >= 1 && ms <= MAX_TIMEOUT_MS) return Math.round(ms);
    context.addIssue({ code: 'custom', message: 'must be a duration, such as 5s' });
    return z.NEVER;
  })
  .default(DEFAULT_TIMEOUT_MS);
const status = z
  .string()
  .regex(/^[3-5]\d\d$/, 'must be a status, such as "403"')
  .transform(Number)
  .default(403);
const body = z
  .object({
    maxRequestBytes: z.number().int().min(1).max(MAX_BODY_BYTES).default(1024),
    allowPartialMessage: z.boolean().default(false),
    packAsBytes: z.boolean().default(false),
  })
  .transform((b) => ({ maxBytes: b.maxRequestBytes, allowPartial: b.allowPartialMessage, asBytes: b.packAsBytes }));

const headerName = z.string().regex(/^[!#$%&'+\-.^_`|~0-9A-Za-z]+$/, 'must be the name of a header');
const headerPattern = z
  .string()
  .regex(/^\*?[!#$%&'+\-.^_`|~0-9A-Za-z]+\*?$/, 'must be the name of a header, or its beginning or end with a *')
  .transform((written): Pattern => {
    const lower = written.toLowerCase();
    if (lower.startsWith('*')) return { kind: 'SUFFIX', value: lower.slice(1) };
    return lower.endsWith('*') ? { kind: 'PREFIX', value: lower.slice(0, -1) } : { kind: 'EXACT', value: lower };
  });
const headerPatterns = z.array(headerPattern).default([]);

const common = {
  service: z.string().min(1),
  port,
  timeout,
  failOpen: z.boolean().default(false),
  statusOnError: status,
  includeRequestBodyInCheck: body.optional(),
} as const;

const http = z.object({
  ...common,
  pathPrefix: z
    .string()
    .regex(/^(\/.*)?$/, 'must begin with /')
    .default(''),
  includeRequestHeadersInCheck: headerPatterns,
  includeHeadersInCheck: headerPatterns,
  includeAdditionalHeadersInCheck: z.record(headerName, z.string()).default({}),
  headersToUpstreamOnAllow: headerPatterns,
  headersToDownstreamOnDeny: headerPatterns,
  headersToDownstreamOnAllow: headerPatterns,
});

const provider = z.object({
  name: z.string().min(1),
  envoyExtAuthzHttp: http.optional(),
  envoyExtAuthzGrpc: z.object(common).optional(),
});

/** For the schema of the mesh configuration. */
export const extensionProviders = z.array(provider).default([]);

export type ExtensionProviders = z.infer<typeof extensionProviders>;

export function authorizersOf(providers: ExtensionProviders, clusterDomain: string): readonly ExternalAuthorizer[] {
  const found = providers.flatMap(({ name, envoyExtAuthzHttp, envoyExtAuthzGrpc }): readonly ExternalAuthorizer[] => {
    if (envoyExtAuthzHttp !== undefined) {
      const o = envoyExtAuthzHttp;
      const authorizer = {
        pathPrefix: o.pathPrefix,
        requestHeaders: [...o.includeRequestHeadersInCheck, ...o.includeHeadersInCheck],
        additionalHeaders: Object.entries(o.includeAdditionalHeadersInCheck).map(([header, value]) => ({
          name: header.toLowerCase(),
          value,
        })),
        toUpstreamOnAllow: o.headersToUpstreamOnAllow,
        toDownstreamOnDeny: o.headersToDownstreamOnDeny,
        toDownstreamOnAllow: o.headersToDownstreamOnAllow,
      };
      return [{ ...commonOf(name, o, clusterDomain), http: authorizer }];
    }
    return envoyExtAuthzGrpc === undefined ? [] : [{ ...commonOf(name, envoyExtAuthzGrpc, clusterDomain), grpc: {} }];
  });
  // Of two with one name the later counts, as for the reference, which merges by name.
  return [...new Map(found.map((authorizer) => [authorizer.name, authorizer])).values()];
}

type Common = Pick<
  NonNullable<z.infer<typeof provider>['envoyExtAuthzHttp']>,
  'service' | 'port' | 'timeout' | 'failOpen' | 'statusOnError' | 'includeRequestBodyInCheck'
>;

function commonOf(name: string, o: Common, clusterDomain: string): ExternalAuthorizer {
  const { includeRequestBodyInCheck } = o;
  return {
    name,
    service: serviceKey(o.service, clusterDomain),
    port: o.port,
    timeoutMs: o.timeout,
    failOpen: o.failOpen,
    statusOnError: o.statusOnError,
    ...(includeRequestBodyInCheck && { body: includeRequestBodyInCheck }),
  };
}

/** `[namespace/]hostname`; without namespace, that of the Service whose name it is. */
function serviceKey(written: string, clusterDomain: string): string {
  if (written.includes('/')) return written;
  const [, namespace = '', ...rest] = written.split('.');
  return rest.join('.') === `svc.${clusterDomain}` ? `${namespace}/${written}` : `/${written}`;
}
