/** The rules of `x-kubernetes-validations`: a CEL subset with a bound on work. */
export { CelError } from './ast.ts';
export { type Condition, compileCondition, compileRule, type Rule } from './rule.ts';
export { parseCidrText, parseDuration } from './values.ts';
