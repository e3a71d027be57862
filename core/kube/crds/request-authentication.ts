/** RequestAuthentication: which tokens a request may carry (crds.md section 4). */
import * as z from 'zod';
import { AGE, customResourceDefinition } from './definition.ts';
import { cel } from './openapi.ts';
import { ONE_ATTACHMENT, targetRef, text, workloadSelector } from './shared.ts';

const MAX_RULES = 4096;
const MAX_TARGETS = 16;
const MAX_CLAIMS = 64;
const MAX_URL = 2048;

const named = () => z.string().min(1);

const url = (meaning: string) =>
  z
    .string()
    .min(1)
    .max(MAX_URL)
    .optional()
    .describe(meaning)
    .meta(
      cel({
        rule: "url(self).getScheme() in ['http', 'https']",
        message: 'URI scheme must be http or https',
      }),
    );

const jwtRule = z
  .object({
    issuer: named().optional().describe('Who must have issued the token; the same text as its claim iss.'),
    audiences: z.array(named()).optional().describe('One of these must be in its claim aud; absent: any.'),
    jwksUri: url('Where the public keys of the issuer are fetched.'),
    jwks_uri: url('Another spelling of jwksUri.'),
    jwks: text().optional().describe('The public keys of the issuer, as a JSON Web Key Set.'),
    fromHeaders: z
      .array(
        z.object({
          name: named().describe('The name of the header.'),
          prefix: text().optional().describe('What stands in front of the token, such as "Bearer ".'),
        }),
      )
      .optional()
      .describe('Headers that carry the token; without any place: Authorization with Bearer, and access_token.'),
    fromParams: z.array(named()).optional().describe('Query parameters that carry the token.'),
    fromCookies: z.array(named()).optional().describe('Cookies that carry the token.'),
    outputPayloadToHeader: text().optional().describe('The header by which the application gets the payload.'),
    outputClaimToHeaders: z
      .array(
        z.object({
          header: z
            .string()
            .regex(/^[-_A-Za-z0-9]+$/)
            .describe('The header by which the application gets the claim.'),
          claim: named().describe('The claim; a dot leads into an object.'),
        }),
      )
      .optional()
      .describe('Claims that the application gets as headers.'),
    forwardOriginalToken: z.boolean().optional().describe('Whether the application gets the token itself.'),
    timeout: text()
      .optional()
      .describe('How long fetching the keys may take; absent: 5s.')
      .meta(cel({ rule: "duration(self) >= duration('1ms')", message: 'must be a valid duration greater than 1ms' })),
    spaceDelimitedClaims: z
      .array(named())
      .max(MAX_CLAIMS)
      .optional()
      .describe('Claims whose text is a list with blanks between, besides scope and permission.'),
    presence: z
      .enum(['OPTIONAL', 'REQUIRED'])
      .optional()
      .describe('REQUIRED: only requests with a token that is good for such a rule pass; others have 401.'),
  })
  .describe('One issuer: how its tokens are found and checked.')
  .meta(
    cel({
      rule: '(has(self.jwksUri) ? 1 : 0) + (has(self.jwks_uri) ? 1 : 0) + (has(self.jwks) ? 1 : 0) <= 1',
      message: 'only one of jwks or jwksUri can be set',
    }),
  );

export const requestAuthenticationSpec = z
  .object({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: z
      .array(targetRef)
      .max(MAX_TARGETS)
      .optional()
      .describe('The services or gateways that it is about, in place of a selector.'),
    jwtRules: z
      .array(jwtRule)
      .max(MAX_RULES)
      .optional()
      .describe('The issuers that are known. A request with a token that none of them vouches for is refused.'),
  })
  .describe('Whose requests it is about, and which tokens they may carry; waypoints enforce it.')
  .meta(cel(ONE_ATTACHMENT));

export type RequestAuthenticationSpec = z.infer<typeof requestAuthenticationSpec>;

export const REQUEST_AUTHENTICATION_CRD = customResourceDefinition({
  group: 'security.istio.io',
  kind: 'RequestAuthentication',
  description: 'Which tokens requests may carry, and how they are checked.',
  plural: 'requestauthentications',
  shortNames: ['ra'],
  versions: ['v1', 'v1beta1'],
  columns: [AGE],
  spec: requestAuthenticationSpec,
});
