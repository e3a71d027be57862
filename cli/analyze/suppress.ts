/** Findings that somebody does not want to see: `CODE`, or `CODE=KIND NAME.NAMESPACE` with `*` for any text. */
import { type Finding, isCode } from '../../mesh/index.ts';
import { UsageError } from '../errors.ts';

export type Suppression = (finding: Finding) => boolean;

/** Throws UsageError for a code that does not exist. */
export function parseSuppression(text: string): Suppression {
  const equals = text.indexOf('=');
  const code = (equals === -1 ? text : text.slice(0, equals)).trim();
  if (!isCode(code)) throw new UsageError(`--suppress ${text}: ${code} is no code; see ambit analyze --list`);
  if (equals === -1) return (finding) => finding.code === code;
  const whom = pattern(text.slice(equals + 1).trim());
  return (finding) => finding.code === code && namesOf(finding).some((name) => whom.test(name));
}

/** As the reference writes them, as we do, and for objects without a namespace. */
function namesOf({ object: { kind, namespace, name } }: Finding): readonly string[] {
  return namespace === undefined
    ? [`${kind} ${name}`]
    : [`${kind} ${name}.${namespace}`, `${kind} ${namespace}/${name}`];
}

function pattern(text: string): RegExp {
  const escaped = text.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`);
}
