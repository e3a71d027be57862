/** Values of an AuthorizationPolicy that can match, and seldom will: legal, and hardly meant. */
import { type Fields, fields, list as listOf, text as textOf, texts } from '../derive/read.ts';
import type { MeshConfig } from '../kube-object.ts';
import { type Findings, quote } from './findings.ts';

type Habit = (written: string, config: MeshConfig) => string | undefined;

const SCHEME = 'spiffe://';
/** Every mesh may write this for its own trust domain. */
const LOCAL = 'cluster.local';

const trustDomain: Habit = (written, { trustDomain, trustDomainAliases }) => {
  const name = written.startsWith(SCHEME) ? written.slice(SCHEME.length) : written;
  const domain = name.slice(0, Math.max(name.indexOf('/'), 0));
  if (domain === '' || domain.includes('*')) return undefined;
  if ([LOCAL, trustDomain, ...trustDomainAliases].includes(domain)) return undefined;
  return `${quote(domain)} is not the trust domain of this mesh (${trustDomain}) or one of its aliases`;
};

const method: Habit = (written) =>
  written === written.toUpperCase()
    ? undefined
    : `methods are in capitals: ${quote(written)} matches none that is in use`;

const path: Habit = (written) =>
  /^[/*]/.test(written) ? undefined : `every path begins with /: ${quote(written)} matches none`;

const SOURCE: Readonly<Record<string, Habit>> = { principals: trustDomain, notPrincipals: trustDomain };
const OPERATION: Readonly<Record<string, Habit>> = { methods: method, notMethods: method, paths: path, notPaths: path };
const WHEN: Readonly<Record<string, Habit>> = { 'source.principal': trustDomain };

/** For a policy without errors. */
export function warnOfHabits(spec: Fields, config: MeshConfig, found: Findings): void {
  const look = (values: unknown, at: string, habit: Habit | undefined): void => {
    if (habit === undefined) return;
    for (const [index, written] of texts(values).entries()) {
      const reason = habit(written, config);
      if (reason !== undefined) found.warn('unusual', `${at}[${index}]`, reason);
    }
  };
  const lookAt = (part: unknown, at: string, habits: Readonly<Record<string, Habit>>): void => {
    for (const [name, values] of Object.entries(fields(part))) {
      if (Object.hasOwn(habits, name)) look(values, `${at}.${name}`, habits[name]);
    }
  };
  for (const [r, rule] of listOf(spec['rules']).entries()) {
    const { from, to, when } = fields(rule);
    const at = `spec.rules[${r}]`;
    for (const [i, entry] of listOf(from).entries()) lookAt(fields(entry)['source'], `${at}.from[${i}].source`, SOURCE);
    for (const [i, entry] of listOf(to).entries())
      lookAt(fields(entry)['operation'], `${at}.to[${i}].operation`, OPERATION);
    for (const [i, condition] of listOf(when).entries()) {
      const { key, values, notValues } = fields(condition);
      const habit = Object.hasOwn(WHEN, textOf(key)) ? WHEN[textOf(key)] : undefined;
      look(values, `${at}.when[${i}].values`, habit);
      look(notValues, `${at}.when[${i}].notValues`, habit);
    }
  }
}
