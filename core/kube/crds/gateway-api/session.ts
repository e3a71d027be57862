/** Session persistence of a rule, of the experimental channel (GEP-1619, crds.md section 15). */
import * as z from 'zod';
import { cel } from '../openapi.ts';
import { duration } from './shared.ts';

const MAX_NAME = 128;

export const sessionPersistence = () =>
  z
    .object({
      sessionName: z.string().max(MAX_NAME).optional().describe('Of the cookie or header; absent: one that is made.'),
      type: z.enum(['Cookie', 'Header']).default('Cookie').describe('Where the token of the session is.'),
      absoluteTimeout: duration().optional().describe('How long a session lasts since its first answer.'),
      idleTimeout: duration().optional().describe('How long a session lasts since its latest request.'),
      cookieConfig: z
        .object({
          lifetimeType: z
            .enum(['Permanent', 'Session'])
            .default('Session')
            .describe('Whether the cookie says how long it lasts, or goes when the client does.'),
        })
        .optional()
        .describe('Of the cookie.'),
    })
    .describe('Requests of one session go to one endpoint, while it may be chosen.')
    .meta(
      cel({
        rule: "!has(self.cookieConfig) || !has(self.cookieConfig.lifetimeType) || self.cookieConfig.lifetimeType != 'Permanent' || has(self.absoluteTimeout)",
        message: 'AbsoluteTimeout must be specified when cookie lifetimeType is Permanent',
      }),
    );
