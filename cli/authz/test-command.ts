import type { Command } from 'commander';
import { type CliContext, gather } from '../context.ts';
import { NoAnswer } from '../errors.ts';
import { loadFiles } from '../model/load-files.ts';
import { parseOutputFormat, show } from '../output.ts';
import { loadSuites } from './test-file.ts';
import { reportRun } from './test-report.ts';
import { runSuites } from './test-run.ts';

type Options = { readonly file?: readonly string[]; readonly failUntested: boolean; readonly output: string };

/** Wrong use, or a file that can not be read. */
const NOT_RUN = 2;

const HELP = `
A test file is YAML, each document a suite; a folder is searched for *.authz-test.yaml:

  objects:
    files: [../manifests]           # relative to the test file; or: inline: [ … ], or -f on the command line
  tests:
    - name: the web shop reaches the cart
      from: sa/web.shop             # or a list; as in \`ambit why\`
      to: svc/cart.shop:80
      expect: allowed
    - name: nobody outside the mesh does
      from: [192.0.2.7, pod/batch.legacy]
      to: svc/cart.shop:80
      expect: denied
      because: { peerAuthentication: shop/default }   # or policy: NS/NAME with rule: N; or reason: no-allow-match
    - name: and only by GET
      from: sa/web.shop
      to: svc/cart.shop:80
      request: { method: POST, path: /items }         # behind a waypoint; also headers, and claims of a token
      expect: denied

A test passes when every caller, address and endpoint that may be meant is as expected.

Exit codes: 0 all tests passed, 1 some failed (with --fail-untested: or a rule decides no test), 2 nothing was tested: wrong use, or a file
that can not be read.

Examples:
  ambit authz test tests/
  ambit authz test shop.authz-test.yaml -f manifests/ -o json | jq .failed`;

export function addAuthzTest(group: Command, context: CliContext): void {
  group
    .command('test <paths...>')
    .summary('unit tests of policies: offline, for CI')
    .description(
      'Holds what is expected of connections against what the mesh would do, without a cluster, and names the rules that no test touches.',
    )
    .option('-f, --file <path>', 'objects for all suites: file, folder, or - for standard input; repeatable', gather)
    .option('--fail-untested', 'fail when a rule that is enforced decides no test', false)
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .addHelpText('after', HELP)
    .action((paths: readonly string[], options: Options) =>
      NoAnswer.insteadOf(async () => {
        const format = parseOutputFormat(options.output);
        const run = runSuites(loadSuites(paths, loadFiles(options.file ?? [])));
        context.out(show(format, run, () => reportRun(run)));
        const isUntested = run.rules.some(({ state }) => state === 'untested' || state === 'matched');
        if (run.failed > 0 || (options.failUntested && isUntested)) context.setExitCode(1);
      }, NOT_RUN),
    );
}
