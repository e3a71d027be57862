/** Telemetry (crds.md section 10): what can not be read in it, and what of it waypoints will not do. */
import { fields, isFields, text as textOf } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { namedProviders, readTelemetry } from '../telemetry/derive/read-telemetry.ts';
import { type Compiled, compileLogFilter, compileTagValue } from '../telemetry/expressions.ts';
import { METRICS } from '../telemetry/model.ts';
import { attachmentFields, onlyOneAttachment, warnOfSelector, warnOfTargets } from './attachment.ts';
import { duration } from './durations.ts';
import { type Findings, quote } from './findings.ts';
import { boolean, type Check, isSet, list, map, object, oneOf, text } from './shape.ts';
import type { Surroundings } from './surroundings.ts';
import { percentage, TOLERANT } from './traffic-policy.ts';

const MODES = ['CLIENT_AND_SERVER', 'CLIENT', 'SERVER'];
const providers = list(object({ name: text({ min: 1 }) }, { required: ['name'] }));
const mode = object({ mode: oneOf(...MODES) });

/** What others might know is no mistake; waypoints say of it that they do not. */
function expression(compile: (written: string) => Compiled<unknown>): Check {
  return text({
    reason: (written) => {
      const compiled = compile(written);
      return compiled.kind === 'invalid' && !compiled.isForeign ? `${quote(written)}: ${compiled.problem}` : undefined;
    },
  });
}

const tagOverride: Check = object(
  { operation: oneOf('UPSERT', 'REMOVE'), value: expression(compileTagValue) },
  {
    also: (value, at, found) => {
      const { operation = 'UPSERT', value: written } = fields(value);
      if (operation === 'REMOVE' && isSet(written)) found.error(at, 'a label that is removed has no value');
      if (operation === 'UPSERT' && textOf(written) === '') found.error(at, 'needs a value, or the operation REMOVE');
    },
  },
);

const customTag: Check = (value, at, found) => {
  if (!isFields(value)) return found.error(at, `${quote(value)} is no object`);
  const given = ['literal', 'environment', 'header', 'formatter'].filter((name) => isSet(value[name]));
  if (given.length !== 1) found.error(at, 'needs exactly one of literal, environment, header, formatter');
};

const spec: Check = object(
  {
    ...attachmentFields,
    accessLogging: list(
      object(
        {
          match: mode,
          providers,
          disabled: boolean,
          filter: object({ expression: expression(compileLogFilter) }, TOLERANT),
        },
        TOLERANT,
      ),
    ),
    tracing: list(
      object(
        {
          match: mode,
          providers,
          randomSamplingPercentage: percentage,
          disableSpanReporting: boolean,
          enableIstioTags: boolean,
          useRequestIdForTraceSampling: boolean,
          disableContextPropagation: boolean,
          customTags: map(customTag),
        },
        TOLERANT,
      ),
    ),
    metrics: list(
      object(
        {
          providers,
          reportingInterval: duration,
          overrides: list(
            object(
              {
                match: object({
                  mode: oneOf(...MODES),
                  metric: oneOf('ALL_METRICS', ...METRICS),
                  customMetric: text({ min: 1 }),
                }),
                disabled: boolean,
                tagOverrides: map(tagOverride),
              },
              TOLERANT,
            ),
          ),
        },
        TOLERANT,
      ),
    ),
  },
  { also: onlyOneAttachment, tolerant: true },
);

export function validateTelemetry(telemetry: KubeObject, around: Surroundings, found: Findings): void {
  if (isSet(telemetry['spec'])) spec(telemetry['spec'], 'spec', found);
  if (found.errors.length > 0) return;
  const written = fields(telemetry['spec']);
  const namespace = telemetry.metadata.namespace ?? '';
  const { config } = around;
  const reading = readTelemetry(telemetry, config.rootNamespace);
  if (reading === undefined) {
    warnOfSelector(written, namespace, around, found);
    return;
  }
  warnOfTargets(written, namespace, around, found);
  for (const problem of reading.problems) {
    const end = problem.indexOf(': ');
    if (!problem.startsWith('spec.targetRef')) found.warn('ignored', problem.slice(0, end), problem.slice(end + 2));
  }
  if (around.objects('Service') === undefined) return; // nor does anybody know how this mesh is configured
  for (const name of new Set(namedProviders(reading))) {
    const known = config.telemetry.providers.find((one) => one.name === name);
    if (known === undefined) {
      found.warn('missing-reference', 'spec', `extensionProviders of the mesh configuration have no ${name}`);
    } else if (known.kind === 'unusable') found.warn('ignored', 'spec', `provider ${name}: ${known.problem}`);
  }
}
