/** The table of policy semantics: every row is read by the engine that predicts and by a ztunnel that enforces. */
import type { Case } from './case.ts';
import { FIELDS } from './fields.ts';
import { PEERS } from './peers.ts';
import { SAFETY } from './safety.ts';
import { STRUCTURE } from './structure.ts';
import { TRIED } from './tried.ts';

export const TABLE: readonly Case[] = [...STRUCTURE, ...FIELDS, ...SAFETY, ...PEERS, ...TRIED];
