/** A prediction as people read it: the verdict first, then the path, then what to do. */
import { formatCallee, formatCaller, type Hop, type PredictedCase, type Prediction } from '../../mesh/index.ts';

const MARKS: Readonly<Record<Hop['outcome'], string>> = { passes: ' ', stops: 'x', unclear: '?' };
const KIND_WIDTH = 'encryption'.length;
/** Where the words of a hop begin: after its mark and kind. */
const INDENT = ' '.repeat(2 + KIND_WIDTH + 2);
/** More endpoints than this are counted. */
const MAX_ENDPOINTS = 5;

export function report(prediction: Prediction): string {
  const { question, verdict, because, hops, cases, notes, next } = prediction;
  const [only] = cases;
  const parts = [
    `${formatCaller(question.from)} -> ${formatCallee(question.to)}: ${verdict.toUpperCase()}\n${sentence(because)}`,
  ];
  if (only === undefined || cases.length === 1) {
    parts.push([...hops, ...(only?.hops ?? [])].map((hop) => describeHop(hop, only)).join('\n'));
  } else {
    parts.push(hops.map((hop) => describeHop(hop)).join('\n'));
    parts.push(...cases.map((one, index) => describeCase(one, index, cases.length)));
  }
  if (notes.length > 0) parts.push(notes.map((note) => `Note: ${sentence(note)}`).join('\n'));
  if (next.length > 0) parts.push(describeNext(next));
  return parts.join('\n\n');
}

export function describeHop(
  hop: Pick<Hop, 'outcome' | 'says' | 'details'> & { readonly kind: string },
  one?: PredictedCase,
): string {
  const others = hop.kind === 'endpoint' ? alike(one) : [];
  const lines = [hop.says, ...(hop.details ?? []), ...others];
  return `${MARKS[hop.outcome]} ${hop.kind.padEnd(KIND_WIDTH)}  ${lines.join(`\n${INDENT}`)}`;
}

export function describeNext(next: readonly string[]): string {
  return ['Next:', ...next.map((step) => `  - ${step}`)].join('\n');
}

/** Further endpoints that end alike; the hops are those of the first. */
function alike(one: PredictedCase | undefined): readonly string[] {
  const [first = '', ...rest] = one?.endpoints ?? [];
  const pod = `${first.split(' ')[0]} `;
  const others = rest.filter((endpoint) => !endpoint.startsWith(pod)); // its address of the other family goes without saying
  if (others.length === 0) return [];
  const shown = others.slice(0, MAX_ENDPOINTS).join(', ');
  const more = others.length - MAX_ENDPOINTS;
  return [`alike: ${shown}${more > 0 ? ` and ${more} more` : ''}`];
}

function describeCase(one: PredictedCase, index: number, of: number): string {
  const subject = one.endpoints.length > 0 ? ` by ${one.endpoints[0] ?? ''}` : ` for ${one.callers[0] ?? ''}`;
  const head = `${index + 1} of ${of}: ${one.verdict.toUpperCase()}${subject}: ${one.because}`;
  return [head, ...one.hops.map((hop) => describeHop(hop, one))].join('\n');
}

function sentence(text: string): string {
  // Names of objects and hosts stay as they are.
  const start = /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() : text.charAt(0);
  return `${start}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}
