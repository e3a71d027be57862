/** What the operators with two sides do; `&&` and `||` are none, they may not look at one of them. */
import { type BinaryOperator, CelError } from './ast.ts';
import { type Meter, readingOf } from './meter.ts';
import { type CelValue, compareValues, Duration, isList, isMap, sameValue, Timestamp } from './values.ts';

/** @throws CelError for types that the operator does not take, for what has no result, and for too much work. */
export function binary(operator: BinaryOperator, left: CelValue, right: CelValue, meter: Meter): CelValue {
  switch (operator) {
    case '==':
      return sameValue(left, right, meter);
    case '!=':
      return !sameValue(left, right, meter);
    case '<':
      return compareValues(left, right, meter) < 0;
    case '<=':
      return compareValues(left, right, meter) <= 0;
    case '>':
      return compareValues(left, right, meter) > 0;
    case '>=':
      return compareValues(left, right, meter) >= 0;
    case 'in':
      return isIn(left, right, meter);
    case '+':
      return add(left, right);
    case '-':
      return subtract(left, right);
    case '*':
      return numberOf(left) * numberOf(right);
    case '/':
      return divide(numberOf(left), numberOf(right));
    case '%':
      if (right === 0) throw new CelError('modulus by zero');
      return numberOf(left) % numberOf(right);
    default:
      return operator satisfies never;
  }
}

function isIn(item: CelValue, container: CelValue, meter: Meter): boolean {
  if (isList(container)) return container.some((element) => sameValue(element, item, meter));
  if (isMap(container)) {
    if (typeof item !== 'string') return false;
    meter.spend(readingOf(item));
    return Object.hasOwn(container, item);
  }
  throw new CelError('"in" needs a list or a map');
}

function add(left: CelValue, right: CelValue): CelValue {
  if (typeof left === 'string' && typeof right === 'string') return left + right;
  if (isList(left) && isList(right)) return [...left, ...right];
  if (left instanceof Duration && right instanceof Duration) return new Duration(left.seconds + right.seconds);
  if (left instanceof Timestamp && right instanceof Duration) return new Timestamp(left.ms + right.seconds * 1000);
  if (left instanceof Duration && right instanceof Timestamp) return new Timestamp(left.seconds * 1000 + right.ms);
  return numberOf(left) + numberOf(right);
}

function subtract(left: CelValue, right: CelValue): CelValue {
  if (left instanceof Duration && right instanceof Duration) return new Duration(left.seconds - right.seconds);
  if (left instanceof Timestamp && right instanceof Timestamp) return new Duration((left.ms - right.ms) / 1000);
  if (left instanceof Timestamp && right instanceof Duration) return new Timestamp(left.ms - right.seconds * 1000);
  return numberOf(left) - numberOf(right);
}

/** JSON does not tell 4 from 4.0, so whole numbers divide as integers do. */
function divide(left: number, right: number): number {
  if (!Number.isInteger(left) || !Number.isInteger(right)) return left / right;
  if (right === 0) throw new CelError('division by zero');
  return Math.trunc(left / right);
}

export function numberOf(value: CelValue): number {
  if (typeof value !== 'number') throw new CelError('no such overload: a number is needed');
  return value;
}
