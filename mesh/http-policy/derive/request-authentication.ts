/**
 * RequestAuthentication to the token rules that waypoints apply (waypoint.md section 4.6). A rule that can not be read is kept
 * without a key: tokens where it would look are refused, since nobody knows what they should have been good for.
 */
import { type Fields, fields, isFields, list, text, texts } from '../../derive/read.ts';
import { isHttpName } from '../../http-names.ts';
import type { KubeObject, MeshConfig } from '../../kube-object.ts';
import { parseDuration } from '../../validate/durations.ts';
import type { ClaimHeader, JwtAuthentication, JwtHeader, JwtRule } from '../model.ts';
import { keysServiceOf } from './keys-service.ts';
import { readTargets, type TargetsReading } from './targets.ts';

export type AuthenticationReading = TargetsReading & {
  readonly authentication: JwtAuthentication;
  /** What could not be read, each with its path. */
  readonly ruleProblems: readonly string[];
};

const DEFAULT_HEADERS: readonly JwtHeader[] = [{ name: 'authorization', prefix: 'Bearer ' }];
const DEFAULT_PARAMS: readonly string[] = ['access_token'];
/** Good for no token. */
const NO_KEYS = '{"keys":[]}';
/** waypoint.md section 4.6. */
const DEFAULT_TIMEOUT_MS = 5_000;
/** What the model can carry. */
const MAX_MS = 4_294_967_295;

/** Undefined for one that is not for waypoints: ztunnels see no tokens. */
export function readRequestAuthentication(object: KubeObject, config: MeshConfig): AuthenticationReading | undefined {
  const { name, namespace = '' } = object.metadata;
  const spec = fields(object['spec']);
  const attached = readTargets(spec, namespace, config.rootNamespace);
  if (attached === undefined) return undefined;
  const written = spec['jwtRules'] ?? [];
  const problems: string[] = [];
  if (!Array.isArray(written)) problems.push('spec.jwtRules: not a list');
  const rules = (Array.isArray(written) ? written : [undefined]).map((rule: unknown, index) =>
    readRuleOr(rule, `spec.jwtRules[${index}]`, problems),
  );
  const withService = (rule: RuleReading): JwtRule => ({
    ...rule,
    keysService: keysServiceOf(rule, namespace, config.clusterDomain),
  });
  return { ...attached, authentication: { namespace, name, rules: rules.map(withService) }, ruleProblems: problems };
}

/** As it is written, whatever mesh it is for. */
type RuleReading = Omit<JwtRule, 'keysService'>;

function readRuleOr(value: unknown, path: string, problems: string[]): RuleReading {
  const found: string[] = [];
  if (!isFields(value)) found.push(`${path}: not an object`);
  const rule = readRule(fields(value), path, found);
  problems.push(...found);
  return found.length === 0 ? rule : { ...rule, jwks: NO_KEYS, jwksUri: '' };
}

const KNOWN: ReadonlySet<string> = new Set([
  'issuer',
  'audiences',
  'jwks',
  'jwksUri',
  'jwks_uri',
  'fromHeaders',
  'fromParams',
  'fromCookies',
  'outputPayloadToHeader',
  'outputClaimToHeaders',
  'forwardOriginalToken',
  'timeout',
  'spaceDelimitedClaims',
  'presence',
]);

function readRule(rule: Fields, path: string, problems: string[]): RuleReading {
  const problem = (field: string, reason: string) => problems.push(`${path}.${field}: ${reason}`);
  for (const field of Object.keys(rule)) if (!KNOWN.has(field)) problem(field, 'unknown field');
  const word = (field: string): string => {
    const value = rule[field] ?? '';
    if (typeof value !== 'string') problem(field, 'not text');
    return text(value);
  };
  const words = (field: string): readonly string[] => {
    const value = rule[field] ?? [];
    const read = texts(value).filter((item) => item !== '');
    if (!Array.isArray(value) || read.length !== value.length) problem(field, 'not a list of texts');
    return read;
  };
  const jwksUri = word('jwksUri') || word('jwks_uri');
  const jwks = word('jwks');
  const issuer = word('issuer');
  if (jwks !== '' && jwksUri !== '') problem('jwks', 'goes not together with jwksUri');
  if (jwks !== '' && !isKeySet(jwks)) problem('jwks', 'no JSON Web Key Set');
  if (jwksUri !== '' && !isHttp(jwksUri)) problem('jwksUri', 'no http or https URL');
  if (jwks === '' && jwksUri === '' && !isHttp(issuer))
    problem('issuer', 'no URL, and there is neither jwks nor jwksUri');
  const fromHeaders = readHeaders(rule['fromHeaders'], problem);
  const fromParams = words('fromParams');
  const fromCookies = words('fromCookies');
  const says = fromHeaders.length + fromParams.length + fromCookies.length > 0;
  const forward = rule['forwardOriginalToken'] ?? false;
  if (typeof forward !== 'boolean') problem('forwardOriginalToken', 'neither true nor false');
  const output = word('outputPayloadToHeader').toLowerCase();
  if (output !== '' && !isFreeHeader(output)) problem('outputPayloadToHeader', 'no name of a header that can be set');
  return {
    issuer,
    audiences: words('audiences'),
    jwks,
    jwksUri,
    fromHeaders: says ? fromHeaders : DEFAULT_HEADERS,
    fromParams: says ? fromParams : DEFAULT_PARAMS,
    fromCookies,
    forwardOriginalToken: forward === true,
    outputPayloadToHeader: output,
    outputClaimToHeaders: readOutputs(rule['outputClaimToHeaders'], problem),
    timeoutMs: readTimeout(rule['timeout'], problem),
    spaceDelimitedClaims: words('spaceDelimitedClaims'),
    isRequired: readPresence(rule['presence'], problem),
  };
}

type Problem = (field: string, reason: string) => void;

function readHeaders(value: unknown, problem: Problem): readonly JwtHeader[] {
  if (value !== undefined && value !== null && !Array.isArray(value)) problem('fromHeaders', 'not a list');
  return list(value).map((entry, index) => {
    const { name, prefix = '' } = fields(entry);
    if (!isHttpName(text(name))) problem(`fromHeaders[${index}].name`, 'no name of a header');
    if (typeof prefix !== 'string') problem(`fromHeaders[${index}].prefix`, 'not text');
    return { name: text(name).toLowerCase(), prefix: text(prefix) };
  });
}

function readOutputs(value: unknown, problem: Problem): readonly ClaimHeader[] {
  if (value !== undefined && value !== null && !Array.isArray(value)) problem('outputClaimToHeaders', 'not a list');
  return list(value).map((entry, index) => {
    const { header, claim } = fields(entry);
    if (!isFreeHeader(text(header).toLowerCase())) {
      problem(`outputClaimToHeaders[${index}].header`, 'no name of a header that can be set');
    }
    if (text(claim) === '') problem(`outputClaimToHeaders[${index}].claim`, 'names no claim');
    return { header: text(header).toLowerCase(), claim: text(claim).split('.') };
  });
}

/** Nobody passes without a token where it can not be read who may. */
function readPresence(value: unknown, problem: Problem): boolean {
  if (value === undefined || value === null || value === 'OPTIONAL') return false;
  if (value !== 'REQUIRED') problem('presence', `${JSON.stringify(value)} is neither OPTIONAL nor REQUIRED`);
  return true;
}

function readTimeout(value: unknown, problem: Problem): number {
  if (value === undefined || value === null) return DEFAULT_TIMEOUT_MS;
  const ms = parseDuration(text(value));
  if (ms !== undefined && ms >= 1) return Math.min(Math.round(ms), MAX_MS);
  problem('timeout', `${JSON.stringify(value)} is no duration`);
  return DEFAULT_TIMEOUT_MS;
}

/** Without these a request is another, or none. */
const RESERVED: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'te', 'trailer', 'keep-alive'],
  ...['ambit-source', 'x-forwarded-for', 'x-forwarded-client-cert'],
]);

function isFreeHeader(name: string): boolean {
  return isHttpName(name) && !RESERVED.has(name);
}

function isHttp(written: string): boolean {
  const url = URL.parse(written);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.host !== '';
}

function isKeySet(written: string): boolean {
  try {
    return Array.isArray(fields(JSON.parse(written))['keys']);
  } catch {
    return false; // no JSON
  }
}
