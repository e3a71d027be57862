/** What a rule of an HTTPRoute or GRPCRoute does to requests and answers (crds.md section 15). */
import * as z from 'zod';
import { cel } from '../openapi.ts';
import { ATOMIC, backendObjectRef, int32, localRef, mapBy, port, preciseHostname, SET } from './shared.ts';

const MAX_HEADERS = 16;
const MAX_PATH = 1024;
const MAX_CORS = 64;
const MAX_INT = 2_147_483_647;
const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;

export const headerName = () => z.string().min(1).max(256).regex(TOKEN);

const header = z.object({
  name: headerName().describe('The name of the header; upper and lower case are the same.'),
  value: z.string().min(1).max(4096).describe('Its value.'),
});
const headers = (meaning: string) => z.array(header).max(MAX_HEADERS).optional().describe(meaning).meta(mapBy('name'));

const headerModifier = z.object({
  set: headers('Headers that are set, over what was there.'),
  add: headers('Headers that are added to what is there.'),
  remove: z.array(z.string()).max(MAX_HEADERS).optional().describe('Headers that are taken away.').meta(SET),
});

const mirror = z
  .object({
    backendRef: backendObjectRef.describe('Who gets the copies; its answers are thrown away.'),
    percent: int32(0, 100).optional().describe('How many of 100 requests are copied; absent: all.'),
    fraction: z
      .object({
        numerator: int32(0, MAX_INT).describe('So many'),
        denominator: int32(1, MAX_INT).default(100).describe('of so many requests.'),
      })
      .optional()
      .describe('Which share of requests is copied; absent: all.')
      .meta(
        cel({
          rule: 'self.numerator <= self.denominator',
          message: 'numerator must be less than or equal to denominator',
        }),
      ),
  })
  .meta(
    cel({
      rule: '!(has(self.percent) && has(self.fraction))',
      message: 'Only one of percent or fraction may be specified',
    }),
  );

const path = z
  .object({
    type: z.enum(['ReplaceFullPath', 'ReplacePrefixMatch']).describe('What is replaced.'),
    replaceFullPath: z.string().max(MAX_PATH).optional().describe('The new path.'),
    replacePrefixMatch: z
      .string()
      .max(MAX_PATH)
      .optional()
      .describe('What stands in place of the prefix that matched.'),
  })
  .meta(
    cel(
      {
        rule: "has(self.replaceFullPath) == (self.type == 'ReplaceFullPath')",
        message: 'replaceFullPath must be specified if and only if type is ReplaceFullPath',
      },
      {
        rule: "has(self.replacePrefixMatch) == (self.type == 'ReplacePrefixMatch')",
        message: 'replacePrefixMatch must be specified if and only if type is ReplacePrefixMatch',
      },
    ),
  );

const redirect = z.object({
  scheme: z.enum(['http', 'https']).optional().describe('The new scheme; absent: that of the request.'),
  hostname: preciseHostname().optional().describe('The new host; absent: that of the request.'),
  path: path.optional().describe('The new path; absent: that of the request.'),
  port: port().optional().describe('The new port; absent: that of the scheme, or of the listener.'),
  statusCode: z
    .literal([301, 302, 303, 307, 308])
    .meta({ type: 'integer' })
    .default(302)
    .describe('The status of the answer.'),
});

const rewrite = z.object({
  hostname: preciseHostname().optional().describe('The new host.'),
  path: path.optional().describe('The new path.'),
});

const wildcardAlone = (list: string) =>
  cel({ rule: "!('*' in self && size(self) > 1)", message: `${list} cannot contain '*' alongside other values` });

const cors = z.object({
  allowOrigins: z
    .array(
      z
        .string()
        .min(1)
        .max(253)
        .regex(/^\*$|^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^:/?#]+(:([0-9]{1,5}|\*))?$/),
    )
    .max(MAX_CORS)
    .optional()
    .describe('Origins that may read answers: *, or a scheme and a host, whose first label may be *.')
    .meta({ ...SET, ...wildcardAlone('allowOrigins') }),
  allowCredentials: z.boolean().optional().describe('Whether they may send cookies and credentials.'),
  allowMethods: z
    .array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', '*']))
    .max(9)
    .optional()
    .describe('Methods that they may use.')
    .meta({ ...SET, ...wildcardAlone('allowMethods') }),
  allowHeaders: z
    .array(z.string().min(1).max(256).regex(TOKEN))
    .max(MAX_CORS)
    .optional()
    .describe('Headers that they may send.')
    .meta({ ...SET, ...wildcardAlone('allowHeaders') }),
  exposeHeaders: z
    .array(z.string().min(1).max(256).regex(TOKEN))
    .max(MAX_CORS)
    .optional()
    .describe('Headers of answers that they may read.')
    .meta({ ...SET, ...wildcardAlone('exposeHeaders') }),
  maxAge: int32(1, MAX_INT).default(5).describe('For how many seconds a browser may remember it.'),
});

const CONTENT = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
  ExtensionRef: 'extensionRef',
} as const;

type FilterType = keyof typeof CONTENT;

const contentOf = (type: FilterType) => ({
  rule: `has(self.${CONTENT[type]}) == (self.type == '${type}')`,
  message: `filter.${CONTENT[type]} must be specified if and only if filter.type is ${type}`,
});

const modifiers = {
  requestHeaderModifier: headerModifier.optional().describe('Changes headers of the request.'),
  responseHeaderModifier: headerModifier.optional().describe('Changes headers of the answer.'),
  requestMirror: mirror.optional().describe('Sends copies of requests elsewhere.'),
  extensionRef: z.object(localRef).optional().describe('A filter of another API, in the namespace of the route.'),
};

export const httpFilter = z
  .object({
    type: z.enum(Object.keys(CONTENT) as [FilterType, ...FilterType[]]).describe('What the filter does.'),
    ...modifiers,
    requestRedirect: redirect.optional().describe('Answers with another address.'),
    urlRewrite: rewrite.optional().describe('Changes host or path on the way to the backend.'),
    cors: cors.optional().describe('Answers questions of browsers about other origins.'),
  })
  .meta(cel(...(Object.keys(CONTENT) as FilterType[]).map(contentOf)));

const GRPC_TYPES = ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror', 'ExtensionRef'] as const;

export const grpcFilter = z
  .object({ type: z.enum(GRPC_TYPES).describe('What the filter does.'), ...modifiers })
  .meta(cel(...GRPC_TYPES.map(contentOf)));

const atMostOnce = (type: FilterType) => ({
  rule: `self.filter(f, f.type == '${type}').size() <= 1`,
  message: `${type} filter cannot be repeated`,
});

const MAX_FILTERS = 16;

export const httpFilters = (meaning: string) =>
  z
    .array(httpFilter)
    .max(MAX_FILTERS)
    .optional()
    .describe(meaning)
    .meta({
      ...ATOMIC,
      ...cel(
        {
          rule: "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
          message: 'May specify either requestRedirect or urlRewrite, but not both',
        },
        ...(['CORS', 'RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite'] as const).map(
          atMostOnce,
        ),
      ),
    });

export const grpcFilters = (meaning: string) =>
  z
    .array(grpcFilter)
    .max(MAX_FILTERS)
    .optional()
    .describe(meaning)
    .meta({
      ...ATOMIC,
      ...cel(...(['RequestHeaderModifier', 'ResponseHeaderModifier'] as const).map(atMostOnce)),
    });
