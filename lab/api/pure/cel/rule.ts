/** One entry of `x-kubernetes-validations`, compiled. */
import {
  CelError,
  type CelExpression,
  type CelValue,
  celParts,
  evaluateCel,
  hasCelCall,
  parseCel,
} from '../../../../mesh/index.ts';
import { isObject, type Json } from '../types.ts';
import { KUBERNETES } from './library.ts';
import { Formats } from './values.ts';

/** Steps that one rule may take on one value; the API server of Kubernetes has a limit of like size. */
const MAX_STEPS = 1_000_000;
const FORMATS = new Formats();

export type Variables = Readonly<Record<string, CelValue>>;

export type Rule = {
  readonly text: string;
  /** A transition rule looks at `oldSelf` and runs on updates only. */
  readonly isTransition: boolean;
  /** What is wrong with this value, or undefined when the rule holds. `old` is needed by transition rules. */
  check(self: Json, old: Json | undefined): string | undefined;
};

/** Throws CelError when the rule cannot be read or calls what does not exist. */
export function compileRule(validation: Json): Rule {
  if (!isObject(validation) || typeof validation.rule !== 'string') throw new CelError('rule: Required value');
  const { rule: text, message, messageExpression } = validation;
  const expression = checked(parseCel(text));
  const messageOf = typeof messageExpression === 'string' ? checked(parseCel(messageExpression)) : undefined;
  const fixed = typeof message === 'string' ? message.trim() : `failed rule: ${text}`;
  return {
    text,
    isTransition: mentions(expression, 'oldSelf'),
    check(self, old) {
      const variables = old === undefined ? { self } : { self, oldSelf: old };
      try {
        if (evaluate(expression, variables) === true) return undefined;
        return messageOf === undefined ? fixed : said(messageOf, variables, fixed);
      } catch (error) {
        if (!(error instanceof CelError)) throw error;
        return `rule evaluation error: ${error.message} (rule: ${text})`;
      }
    },
  };
}

/** Whether an expression holds. Throws CelError when that can't be judged. */
export type Condition = (variables: Variables) => boolean;

/** What admission knows beyond the object, and this server does not have. */
const NOT_HERE = ['authorizer', 'variables', 'params', 'namespaceObject'];

/** Throws CelError when the expression can't be read, calls what does not exist, or names what is not known here. */
export function compileCondition(text: string): Condition {
  const expression = checked(parseCel(text));
  const missing = NOT_HERE.find((name) => mentions(expression, name));
  if (missing !== undefined) throw new CelError(`${missing} is not known to this lab`);
  return (variables) => {
    const value = evaluate(expression, variables);
    if (typeof value !== 'boolean') throw new CelError('must be true or false');
    return value;
  };
}

/** A message that cannot be computed must not hide that the rule failed. */
function said(expression: CelExpression, variables: Variables, otherwise: string): string {
  try {
    const value = evaluate(expression, variables);
    return typeof value === 'string' && value.trim() !== '' ? value : otherwise;
  } catch (error) {
    if (error instanceof CelError) return otherwise;
    throw error;
  }
}

function evaluate(expression: CelExpression, variables: Variables): CelValue {
  return evaluateCel(expression, {
    library: KUBERNETES,
    maxSteps: MAX_STEPS,
    lookup: (name) => (Object.hasOwn(variables, name) ? variables[name] : name === 'format' ? FORMATS : undefined),
  });
}

function checked(expression: CelExpression): CelExpression {
  for (const part of celParts(expression)) {
    if (part.kind === 'call' && !hasCelCall(KUBERNETES, part)) {
      throw new CelError(`undeclared reference to ${part.name} with ${part.args.length} arguments`);
    }
  }
  return expression;
}

function mentions(expression: CelExpression, name: string): boolean {
  return celParts(expression).some((part) => part.kind === 'name' && part.name === name);
}
