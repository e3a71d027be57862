import type { Command } from 'commander';
import { diffFlows, diffRequests, groupOf, type KubeObject } from '../../mesh/index.ts';
import { type CliContext, gather } from '../context.ts';
import { NoAnswer, UsageError } from '../errors.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { parseOutputFormat, show } from '../output.ts';
import { describeDiff } from './diff-report.ts';
import { FLOWS_OPTION, modelFrom, objectsOf, readSeen, type SeenOptions, silentNote } from './seen.ts';

type Options = SeenOptions & {
  readonly file?: readonly string[];
  readonly delete?: readonly string[];
  readonly output: string;
};

const NO_ANSWER = 2;
const DELETED = /^([A-Za-z]+)\/([^/.]+(?:\.[^/.]+)*)\.([a-z0-9-]+)$/;

const HELP = `
Every connection that the ztunnels remember (up to 16,384 kinds a node: who, to which pod and port), and every request that the
waypoints do (who, to which service and port, method, pattern of paths), is judged by the policies as they are and
as they would be. What nobody has made yet is not in it: see also \`ambit why -f\` and \`ambit authz test\`. Of requests neither headers
nor tokens, hosts or single paths are kept: where a change is about those it can not be told what becomes of all of them.

Exit codes: 0 nothing that was seen would change, 1 something would, 2 no answer: wrong use, nothing
to read, or a node or waypoint that did not answer where the others have seen nothing that would change.

Examples:
  ambit authz diff -f policies/
  ambit authz diff -f new.yaml --delete AuthorizationPolicy/old.shop
  ambit authz diff -f policies/ -o json | jq '(.changes + .requests.changes)[] | select(.effect == "cut")'
  ambit authz diff -f policies/ --flows ztunnel.json --flows waypoint.json --base manifests/      # without a cluster`;

export function addAuthzDiff(group: Command, context: CliContext): void {
  group
    .command('diff')
    .summary('what a change would cut or let in, of what was seen')
    .description(
      'Judges the connections and requests that the live mesh sees or has seen recently by policies before they are applied.',
    )
    .option('-f, --file <path>', 'what would be applied: file, folder, or - for standard input; repeatable', gather)
    .option('--delete <kind/name.namespace>', 'what would be deleted; repeatable', gather)
    .option('--flows <file>', FLOWS_OPTION, gather)
    .option('--base <path>', 'with --flows: the objects of that mesh; repeatable', gather)
    .option('-n, --mesh-namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .addHelpText('after', HELP)
    .action((options: Options) =>
      NoAnswer.insteadOf(async () => {
        const format = parseOutputFormat(options.output);
        if (options.file === undefined && options.delete === undefined) {
          throw new UsageError('nothing would change: name what would be applied with -f, or deleted with --delete');
        }
        const applied = objectsOf(options.file ?? []);
        const deleted = (options.delete ?? []).map(readDeleted);
        const { objects, flows, requests, silent } = await readSeen(context, options);
        const before = modelFrom(objects, options.meshNamespace);
        const after = modelFrom(changed(objects, applied, deleted), options.meshNamespace);
        const diff = { ...diffFlows(before, after, flows), requests: diffRequests(before, after, requests) };
        context.out(show(format, { ...diff, silent }, () => describeDiff(diff)));
        for (const note of silentNote(silent)) context.say(note);
        if (diff.changes.length + diff.requests.changes.length > 0) context.setExitCode(1);
        else if (silent.length > 0) context.setExitCode(NO_ANSWER); // what only they have seen may change
      }, NO_ANSWER),
    );
}

type Deleted = { readonly kind: string; readonly name: string; readonly namespace: string };

function readDeleted(text: string): Deleted {
  const [, kind, name, namespace] = DELETED.exec(text) ?? [];
  if (kind === undefined || name === undefined || namespace === undefined) {
    throw new UsageError(`--delete ${text}: expected KIND/NAME.NAMESPACE, as in AuthorizationPolicy/old.shop`);
  }
  return { kind, name, namespace };
}

/** Throws UsageError for what is to be deleted and is not there. */
function changed(
  objects: readonly KubeObject[],
  applied: readonly KubeObject[],
  deleted: readonly Deleted[],
): readonly KubeObject[] {
  const isDeleted = ({ kind, metadata }: KubeObject, one: Deleted) =>
    kind.toLowerCase() === one.kind.toLowerCase() && metadata.name === one.name && metadata.namespace === one.namespace;
  for (const one of deleted) {
    if (objects.some((object) => isDeleted(object, one))) continue;
    throw new UsageError(`--delete ${one.kind}/${one.name}.${one.namespace}: there is no such object`);
  }
  const replaced = new Set(applied.map(keyOf));
  const kept = objects.filter(
    (object) => !replaced.has(keyOf(object)) && !deleted.some((one) => isDeleted(object, one)),
  );
  return [...kept, ...applied];
}

function keyOf({ apiVersion, kind, metadata }: KubeObject): string {
  return `${groupOf(apiVersion)}/${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
}
