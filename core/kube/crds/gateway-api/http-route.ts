/** HTTPRoute: where requests go, and what happens to them on the way (crds.md section 15). */
import * as z from 'zod';
import { AGE, column } from '../definition.ts';
import { cel } from '../openapi.ts';
import { gatewayApiDefinition } from './definition.ts';
import { headerName, httpFilters } from './http-filters.ts';
import { sessionPersistence } from './session.ts';
import {
  ATOMIC,
  duration,
  hostname,
  int32,
  mapBy,
  parentRefs,
  routeStatus,
  SERVICE_HAS_PORT,
  SET,
  sectionName,
  weightedBackend,
} from './shared.ts';

const MAX_RULES = 16;
const MAX_MATCHES = 64;
const MAX_BACKENDS = 16;
const MAX_HOSTNAMES = 16;
const MAX_FIELDS = 16;
const MAX_PATH = 1024;
const MAX_ATTEMPTS = 2_147_483_647;

const ROOT_PATH = { type: 'PathPrefix' as const, value: '/' };
const EVERYTHING = [{ path: ROOT_PATH }];

/** Parts of a path that two readers could read in two ways. */
const FORBIDDEN_PARTS = ['//', '/./', '/../', '%2f', '%2F', '#'];
const FORBIDDEN_ENDS = ['/..', '/.'];
const unlessRegex = (rule: string, message: string) => ({
  rule: `self.type in ['Exact', 'PathPrefix'] ? ${rule} : true`,
  message,
});

const path = z
  .object({
    type: z
      .enum(['Exact', 'PathPrefix', 'RegularExpression'])
      .default('PathPrefix')
      .describe('How paths are compared; a prefix is one of whole segments.'),
    value: z.string().max(MAX_PATH).default('/').describe('The path.'),
  })
  .default(ROOT_PATH)
  .describe('The path of the request.')
  .meta(
    cel(
      unlessRegex("self.value.startsWith('/')", "value must be an absolute path and start with '/'"),
      ...FORBIDDEN_PARTS.map((part) =>
        unlessRegex(
          `!self.value.contains('${part}')`,
          `must not contain '${part}' when type one of ['Exact', 'PathPrefix']`,
        ),
      ),
      ...FORBIDDEN_ENDS.map((end) =>
        unlessRegex(
          `!self.value.endsWith('${end}')`,
          `must not end with '${end}' when type one of ['Exact', 'PathPrefix']`,
        ),
      ),
      unlessRegex(
        'self.value.matches(r"""^(?:[-A-Za-z0-9/._~!$&\'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""")',
        'must only contain characters of a path, or % and two hexadecimal digits',
      ),
    ),
  );

const fieldMatch = (maxValue: number) => ({
  type: z.enum(['Exact', 'RegularExpression']).default('Exact').describe('How values are compared.'),
  value: z.string().min(1).max(maxValue).describe('The value.'),
});

export const headerMatches = () =>
  z
    .array(z.object({ name: headerName().describe('The name of the header.'), ...fieldMatch(4096) }))
    .max(MAX_FIELDS)
    .optional()
    .describe('Headers of the request; all must match.')
    .meta(mapBy('name'));

const match = z.object({
  path,
  headers: headerMatches(),
  queryParams: z
    .array(z.object({ name: headerName().describe('The name of the parameter.'), ...fieldMatch(1024) }))
    .max(MAX_FIELDS)
    .optional()
    .describe('Query parameters of the request; all must match.')
    .meta(mapBy('name')),
  method: z
    .enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])
    .optional()
    .describe('The method of the request.'),
});

const backend = z
  .object({ ...weightedBackend, filters: httpFilters('What happens to requests for this backend alone.') })
  .meta(cel(SERVICE_HAS_PORT));

const timeouts = z
  .object({
    request: duration()
      .optional()
      .describe('How long the whole of a request may take, retries included; 0s: for ever.'),
    backendRequest: duration().optional().describe('How long one attempt may take; 0s: for ever.'),
  })
  .describe('How long requests may take.')
  .meta(
    cel({
      rule: "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))",
      message: 'backendRequest timeout cannot be longer than request timeout',
    }),
  );

/** Of the experimental channel. */
const retry = z
  .object({
    codes: z.array(int32(400, 599)).optional().describe('Statuses of answers that are tried again.').meta(SET),
    attempts: int32(1, MAX_ATTEMPTS).optional().describe('How often a request is tried again.'),
    backoff: duration().optional().describe('The least time between two attempts.'),
  })
  .describe('Which requests are tried again.');

const REPLACES_PREFIX = (filters: string, content: string) =>
  `${filters}.exists(f, has(f.${content}) && has(f.${content}.path) && f.${content}.path.type == 'ReplacePrefixMatch')`;
const ONE_PREFIX =
  "has(self.matches) && size(self.matches) == 1 && has(self.matches[0].path) && self.matches[0].path.type == 'PathPrefix'";
const prefixNeeded = (content: string) => ({
  rule: `has(self.filters) && ${REPLACES_PREFIX('self.filters', content)} ? ${ONE_PREFIX} : true`,
  message: `When using ${content} filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified`,
});
const prefixNeededOfBackends = (content: string) => ({
  rule: `has(self.backendRefs) && self.backendRefs.exists(b, has(b.filters) && ${REPLACES_PREFIX('b.filters', content)}) ? ${ONE_PREFIX} : true`,
  message: `Within backendRefs, when using ${content} filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified`,
});

const rule = z
  .object({
    name: sectionName().optional().describe('The name of the rule.'),
    matches: z
      .array(match)
      .max(MAX_MATCHES)
      .default(EVERYTHING)
      .describe('Which requests: those that meet all of one entry.')
      .meta(ATOMIC),
    filters: httpFilters('What happens to requests.'),
    backendRefs: z
      .array(backend)
      .max(MAX_BACKENDS)
      .optional()
      .describe('Where requests are sent, by weight; none: 500 unless a filter answers.')
      .meta(ATOMIC),
    timeouts: timeouts.optional(),
    retry: retry.optional(),
    sessionPersistence: sessionPersistence().optional(),
  })
  .meta(
    cel(
      {
        rule: 'has(self.backendRefs) && size(self.backendRefs) > 0 && has(self.filters) ? self.filters.all(f, !has(f.requestRedirect)) : true',
        message: 'RequestRedirect filter must not be used together with backendRefs',
      },
      prefixNeeded('requestRedirect'),
      prefixNeeded('urlRewrite'),
      prefixNeededOfBackends('requestRedirect'),
      prefixNeededOfBackends('urlRewrite'),
    ),
  );

/** Over all rules; as in the standard channel. */
export const AT_MOST_128_MATCHES = {
  rule: 'self.map(r, has(r.matches) ? size(r.matches) : 0).sum() <= 128',
  message:
    'While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route must be less than 128',
};

export const httpRouteSpec = z
  .object({
    parentRefs: parentRefs(),
    hostnames: z
      .array(hostname())
      .max(MAX_HOSTNAMES)
      .optional()
      .describe('Hosts that requests ask for; without effect where the parent is a Service.')
      .meta(ATOMIC),
    rules: z
      .array(rule)
      .min(1)
      .max(MAX_RULES)
      .default([{ matches: EVERYTHING }])
      .describe('The rules; of those that match, the most precise holds.')
      .meta({ ...ATOMIC, ...cel(AT_MOST_128_MATCHES) }),
  })
  .describe('What the route is attached to, which requests it is for, and what happens to them.');

export type HttpRouteSpec = z.infer<typeof httpRouteSpec>;

export const HTTP_ROUTE_CRD = gatewayApiDefinition({
  kind: 'HTTPRoute',
  plural: 'httproutes',
  description: 'Where HTTP requests to a service or a gateway go, and what happens to them.',
  versions: ['v1', 'v1beta1'],
  columns: [column('Hostnames', '.spec.hostnames', 'Hosts that requests ask for.'), AGE],
  spec: httpRouteSpec,
  status: routeStatus,
});
