/** Policy unit tests as people write them: YAML documents, each a suite with its own objects. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { LineCounter, parseAllDocuments } from 'yaml';
import * as z from 'zod';
import {
  type Expectation,
  type HttpQuestion,
  type Parsed,
  parseCallee,
  parseCaller,
  type Question,
} from '../../mesh/index.ts';
import { CliError, UsageError } from '../errors.ts';
import { loadFiles, openObject, type SourcedObject, TEST_FILE } from '../model/load-files.ts';

/** One connection that is expected to end in a certain way. */
export type PolicyTest = {
  /** As written; several connections of one test share it. */
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly question: Question;
  readonly expect: Expectation;
};

export type Suite = {
  /** The file, with the number of the document when it has several. */
  readonly place: string;
  readonly objects: readonly SourcedObject[];
  readonly tests: readonly PolicyTest[];
};

/** What decides, in the words of predictions. */
const REASONS = [
  'allow-rule',
  'no-allow-policies',
  'not-enforced',
  'passthrough',
  'deny-rule',
  'no-allow-match',
  'waypoint-answers',
  'request-refused',
  'token-refused',
  'no-route',
  'route-fails',
] as const;

const oneOrMore = z.union([z.string(), z.array(z.string()).min(1)], { error: 'expected a text, or a list of them' });
const policyKey = z.string().regex(/^[^/\s]+\/[^/\s]+$/, 'expected NAMESPACE/NAME');

const becauseSchema = z
  .strictObject({
    policy: policyKey.optional(),
    rule: z.int().min(0).optional(),
    peerAuthentication: policyKey.optional(),
    reason: z.enum(REASONS).optional(),
  })
  .refine(
    ({ policy, peerAuthentication, reason }) =>
      [policy, peerAuthentication, reason].filter((given) => given !== undefined).length === 1,
    'expected one of policy, peerAuthentication and reason',
  )
  .refine(({ policy, rule }) => rule === undefined || policy !== undefined, 'a rule goes with a policy');

/** What only HTTP has; the host is a header. */
const requestSchema = z.strictObject({
  method: z.string().min(1).optional(),
  path: z.string().startsWith('/', 'a path starts with /').optional(),
  headers: z.record(z.string().min(1), z.union([z.string(), z.array(z.string())])).optional(),
  /** Of a token that is good. */
  claims: z.record(z.string().min(1), z.unknown()).optional(),
});

const suiteSchema = z.strictObject({
  objects: z
    .strictObject({
      files: z.array(z.string().min(1)).optional(),
      inline: z.array(z.looseObject({})).optional(),
    })
    .optional(),
  tests: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        from: oneOrMore,
        to: oneOrMore,
        request: requestSchema.optional(),
        expect: z.enum(['allowed', 'denied']),
        because: becauseSchema.optional(),
      }),
    )
    .min(1, 'a suite without tests proves nothing'),
});
type WrittenTest = z.infer<typeof suiteSchema>['tests'][number];

/** Reads files, and folders for what is named `*.authz-test.yaml`. Throws CliError naming file, test and field. */
export function loadSuites(paths: readonly string[], shared: readonly SourcedObject[]): readonly Suite[] {
  return [...new Set(paths.flatMap(testFilesUnder))].flatMap((path) => parseSuites(textOf(path), path, shared));
}

/** `path` is where the text stands: other files are named relative to it. */
export function parseSuites(text: string, path: string, shared: readonly SourcedObject[]): readonly Suite[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const suites: Suite[] = [];
  for (const [index, document] of Array.isArray(documents) ? documents.entries() : []) {
    const place = documents.length === 1 ? path : `${path}#${index + 1}`;
    const [problem] = document.errors;
    if (problem !== undefined) {
      const { line, col } = lines.linePos(problem.pos[0]);
      throw new CliError(`${path}:${line}:${col}: not YAML: ${problem.message}`);
    }
    const value: unknown = document.toJS();
    if (value !== null && value !== undefined) suites.push(suiteOf(value, place, path, shared));
  }
  if (suites.length === 0) throw new CliError(`${path}: there are no tests in this file`);
  return suites;
}

function suiteOf(value: unknown, place: string, path: string, shared: readonly SourcedObject[]): Suite {
  const parsed = suiteSchema.safeParse(value);
  if (!parsed.success) throw new CliError(`${place}: ${describe(parsed.error.issues[0], value)}`);
  const { objects = {}, tests } = parsed.data;
  const named = tests.map(({ name }) => name);
  const twice = named.find((name, index) => named.indexOf(name) !== index);
  if (twice !== undefined) throw new CliError(`${place}: two tests are named ${JSON.stringify(twice)}`);
  const files = (objects.files ?? []).map((file) => normalize(file.startsWith('/') ? file : join(dirname(path), file)));
  const inline = (objects.inline ?? []).flatMap((object, i) => openObject(object, `${place}: objects.inline[${i}]`));
  const given = [...shared, ...loadFiles(files), ...inline];
  if (given.length === 0) {
    throw new CliError(`${place}: objects: none are given; name files, write them inline, or pass them with -f`);
  }
  return { place, objects: given, tests: tests.flatMap((test) => connectionsOf(test, place)) };
}

/** Every caller to every callee. */
function connectionsOf(test: WrittenTest, place: string): readonly PolicyTest[] {
  const { name, request, because, expect: verdict } = test;
  const where = `${place}: test ${JSON.stringify(name)}`;
  const http = request && httpOf(request);
  const expect = { verdict, ...(because && { because: becauseOf(because) }) };
  return list(test.from).flatMap((from) =>
    list(test.to).map((to) => {
      const question = {
        from: must(parseCaller(from), `${where}: from`),
        to: must(parseCallee(to), `${where}: to`),
        ...(http && { http }),
      };
      return { name, from, to, question, expect };
    }),
  );
}

function becauseOf(written: z.infer<typeof becauseSchema>): NonNullable<Expectation['because']> {
  const { policy, rule, peerAuthentication, reason } = written;
  if (policy !== undefined) return { kind: 'policy', policy, ...(rule !== undefined && { rule }) };
  if (peerAuthentication !== undefined) return { kind: 'peer-authentication', key: peerAuthentication };
  return { kind: 'reason', reason: reason ?? 'allow-rule' };
}

function httpOf({ method, path, headers, claims }: z.infer<typeof requestSchema>): HttpQuestion {
  const lower = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    ...(method !== undefined && { method: method.toUpperCase() }),
    ...(path !== undefined && { path }),
    ...(headers !== undefined && { headers: Object.fromEntries(lower) }),
    ...(claims !== undefined && { claims }),
  };
}

/** `test "NAME": field: what is wrong`. */
function describe(issue: z.core.$ZodIssue | undefined, value: unknown): string {
  if (issue === undefined) return 'not a suite of policy tests';
  const [section, index, ...rest] = issue.path;
  const isInTest = section === 'tests' && typeof index === 'number';
  const field = (isInTest ? rest : issue.path)
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`))
    .join('');
  const what =
    issue.code === 'unrecognized_keys'
      ? `unknown field ${issue.keys.map((key) => (field === '' ? key : `${field}.${key}`)).join(', ')}`
      : `${field === '' ? '' : `${field}: `}${issue.message}`;
  return isInTest ? `${testName(value, index)}: ${what}` : what;
}

function testName(value: unknown, index: number): string {
  const { tests } = value as { readonly tests?: readonly ({ readonly name?: unknown } | null)[] };
  const name = tests?.[index]?.name;
  return typeof name === 'string' && name !== '' ? `test ${JSON.stringify(name)}` : `tests[${index}]`;
}

function testFilesUnder(path: string): readonly string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch {
    throw new CliError(`${path}: no such file or folder`);
  }
  if (!isFolder) return [path];
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && TEST_FILE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) throw new UsageError(`${resolve(path)}: no file named *.authz-test.yaml in this folder`);
  return files;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`${path}: can not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function must<T>(parsed: Parsed<T>, what: string): T {
  if (!parsed.ok) throw new CliError(`${what}: ${parsed.problem}`);
  return parsed.value;
}

function list(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}
