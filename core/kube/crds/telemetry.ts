/** Telemetry: what proxies show of what passes through them (crds.md section 10). */
import * as z from 'zod';
import { AGE, customResourceDefinition } from './definition.ts';
import { cel } from './openapi.ts';
import { ONE_ATTACHMENT, targetRef, text, workloadSelector } from './shared.ts';

const MAX_TARGETS = 16;

const named = (what: string) => z.string().min(1).describe(what);
/** An object of the reference's API may say null. */
const flag = (what: string) => z.boolean().nullable().optional().describe(what);
const mode = z
  .enum(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER'])
  .optional()
  .describe('Which side of a connection; waypoints are servers.');
const providers = z
  .array(z.object({ name: named('The name of an extensionProvider of the mesh configuration.') }))
  .optional()
  .describe('Who gets it; absent: whoever would get it anyway.');
const match = z.object({ mode }).optional().describe('What it is about.');

const customTag = z
  .object({
    literal: z
      .object({ value: named('The value.') })
      .optional()
      .describe('A fixed value.'),
    environment: z
      .object({
        name: named('The name of the variable.'),
        defaultValue: text().optional().describe('Where there is none.'),
      })
      .optional()
      .describe('A value of the environment of the proxy.'),
    header: z
      .object({
        name: named('The name of the header.'),
        defaultValue: text().optional().describe('Where there is none.'),
      })
      .optional()
      .describe('A header of the request.'),
    formatter: z
      .object({ value: named('The format.') })
      .optional()
      .describe('Taken and without effect.'),
  })
  .describe('Where the value of the tag comes from.')
  .meta(
    cel({
      rule: '(has(self.literal) ? 1 : 0) + (has(self.environment) ? 1 : 0) + (has(self.header) ? 1 : 0) + (has(self.formatter) ? 1 : 0) <= 1',
      message: 'only one of literal, environment, header or formatter can be set',
    }),
  );

const tracing = z
  .object({
    match,
    providers,
    randomSamplingPercentage: z
      .number()
      .min(0)
      .max(100)
      .nullable()
      .optional()
      .describe('Of the traces that begin here; absent: 1, or what the mesh configuration says.'),
    disableSpanReporting: flag('Passes contexts on and reports nothing.'),
    customTags: z.record(z.string(), customTag).optional().describe('Further tags of spans, by name.'),
    enableIstioTags: flag('Whether spans carry the istio.* tags; absent: they do.'),
    useRequestIdForTraceSampling: flag('Taken and without effect.'),
    disableContextPropagation: flag('Taken and without effect.'),
  })
  .describe('How requests are traced.');

const override = z
  .object({
    match: z
      .object({
        metric: z
          .enum([
            'ALL_METRICS',
            'REQUEST_COUNT',
            'REQUEST_DURATION',
            'REQUEST_SIZE',
            'RESPONSE_SIZE',
            'TCP_OPENED_CONNECTIONS',
            'TCP_CLOSED_CONNECTIONS',
            'TCP_SENT_BYTES',
            'TCP_RECEIVED_BYTES',
            'GRPC_REQUEST_MESSAGES',
            'GRPC_RESPONSE_MESSAGES',
          ])
          .optional()
          .describe('A standard metric; absent: all.'),
        customMetric: z.string().min(1).optional().describe('Taken and without effect.'),
        mode,
      })
      .optional()
      .describe('Which metrics.')
      .meta(
        cel({
          rule: '(has(self.metric) ? 1 : 0) + (has(self.customMetric) ? 1 : 0) <= 1',
          message: 'only one of metric or customMetric can be set',
        }),
      ),
    disabled: flag('Whether they are not counted.'),
    tagOverrides: z
      .record(
        z.string(),
        z
          .object({
            operation: z
              .enum(['UPSERT', 'REMOVE'])
              .optional()
              .describe('What is done with the label; waypoints can REMOVE.'),
            value: text().optional().describe('An expression, for UPSERT.'),
          })
          .meta(
            cel(
              {
                rule: "((has(self.operation) ? self.operation : '') == 'UPSERT') ? ((has(self.value) ? self.value : '') != '') : true",
                message: 'value must be set when operation is UPSERT',
              },
              {
                rule: "((has(self.operation) ? self.operation : '') == 'REMOVE') ? !has(self.value) : true",
                message: 'value must not be set when operation is REMOVE',
              },
            ),
          ),
      )
      .optional()
      .describe('Labels that are changed, by name.'),
  })
  .describe('A change to some metrics.');

const metrics = z
  .object({
    providers,
    overrides: z.array(override).optional().describe('What is changed, in order.'),
    reportingInterval: text()
      .optional()
      .describe('Taken and without effect.')
      .meta(cel({ rule: "duration(self) >= duration('1ms')", message: 'must be a valid duration greater than 1ms' })),
  })
  .describe('What is counted.');

const accessLogging = z
  .object({
    match,
    providers,
    disabled: flag('Whether it is switched off.'),
    filter: z
      .object({ expression: text().optional().describe('An expression; waypoints leave the entry out.') })
      .optional()
      .describe('Which requests are logged.'),
  })
  .describe('What is logged.');

export const telemetrySpec = z
  .object({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: z
      .array(targetRef)
      .max(MAX_TARGETS)
      .optional()
      .describe(
        'The services or gateways that it is about; absent: the namespace, or from the root namespace the mesh.',
      ),
    tracing: z.array(tracing).optional().describe('How requests are traced; one entry.'),
    metrics: z.array(metrics).optional().describe('What is counted.'),
    accessLogging: z.array(accessLogging).optional().describe('What is logged.'),
  })
  .describe('What waypoints show of the requests that pass through them, and to whom.')
  .meta(cel(ONE_ATTACHMENT));

export type TelemetrySpec = z.infer<typeof telemetrySpec>;

export const TELEMETRY_CRD = customResourceDefinition({
  group: 'telemetry.istio.io',
  kind: 'Telemetry',
  description: 'Which metrics, logs and traces there are of requests.',
  plural: 'telemetries',
  shortNames: ['telemetry'],
  versions: ['v1', 'v1alpha1'],
  columns: [AGE],
  spec: telemetrySpec,
});
