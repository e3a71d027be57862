/** The table of policy semantics at L7: every row is read by the engine that predicts and by a waypoint that enforces. */
import { ACTIONS } from './actions.ts';
import { ATTACHMENT } from './attachment.ts';
import type { Case } from './case.ts';
import { CLIENT_ROUTES } from './client-routes.ts';
import { FIELDS } from './fields.ts';
import { ROUTES } from './routes.ts';

export const TABLE: readonly Case[] = [...ACTIONS, ...ATTACHMENT, ...FIELDS, ...ROUTES, ...CLIENT_ROUTES];
