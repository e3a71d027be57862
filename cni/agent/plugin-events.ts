/** What the plugin says: a new pod that has to be enrolled before it starts, and log lines. */
import * as z from 'zod';
import type { Logger, LogLevel } from '../../core/telemetry/index.ts';
import { causedBy, type IpAddress, MeshError, parseIp } from '../../mesh/index.ts';
import type { AddEvent } from '../plugin/event.ts';
import type { Pod } from './pod.ts';
import type { UnixReply, UnixRoute } from './unix-http.ts';

/** Keys exactly as Go writes them (cni.md 1.2). */
const EVENT = z.object({
  Netns: z.string().min(1),
  PodName: z.string().min(1),
  PodNamespace: z.string().min(1),
  IPs: z
    .array(
      z.object({
        Interface: z.number().int().nullable().optional(),
        Address: z.object({ IP: z.string(), Mask: z.string().nullable().optional() }),
        Gateway: z.string().nullable().optional(),
      }),
    )
    .nullable()
    .optional(),
});

export type PluginEventsOptions = {
  /** The pod as the API server has it now; undefined when there is none. */
  readonly readPod: (namespace: string, name: string) => Promise<Pod | undefined>;
  /** Whether it should be in the mesh, and why. */
  readonly verdict: (pod: Pod) => Promise<{ readonly enrolled: boolean; readonly because: string }>;
  readonly enrol: (pod: Pod, ips: readonly IpAddress[], netnsPath: string) => Promise<void>;
  readonly onReply: (status: number) => void;
  readonly log: Logger;
};

/** `POST /cmdadd`: 200 once the pod is enrolled, 400 for what is not an event, 500 with the reason for all else. */
export function addRoute(o: PluginEventsOptions): UnixRoute {
  const answer = async (body: string): Promise<UnixReply> => {
    let event: AddEvent;
    try {
      event = parseEvent(body);
    } catch (error) {
      return { status: 400, body: messageOf(error) };
    }
    const pod = `${event.PodNamespace}/${event.PodName}`;
    try {
      await enrol(o, event);
      return { status: 200, body: '' };
    } catch (error) {
      o.log.error('a new pod could not be enrolled and does not start', { pod, error: messageOf(error) });
      return { status: 500, body: `pod ${pod}: ${messageOf(error)}` };
    }
  };
  return async (body) => {
    const reply = await answer(body);
    o.onReply(reply.status);
    return reply;
  };
}

/** @throws MeshError EVENT_MALFORMED */
function parseEvent(body: string): AddEvent {
  if (body.trim() === '') throw new MeshError('EVENT_MALFORMED', 'the request has no body');
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new MeshError('EVENT_MALFORMED', 'the body is not JSON', { cause });
  }
  const result = EVENT.safeParse(value);
  if (!result.success) throw new MeshError('EVENT_MALFORMED', z.prettifyError(result.error).replaceAll('\n', ' '));
  return result.data as AddEvent;
}

async function enrol(o: PluginEventsOptions, event: AddEvent): Promise<void> {
  // From the server itself: our copy may still hold the pod that had this name before (a StatefulSet's, say).
  const pod = await o.readPod(event.PodNamespace, event.PodName);
  if (pod === undefined) throw new MeshError('POD_UNKNOWN', 'the API server has no such pod');
  const { enrolled, because } = await o.verdict(pod);
  if (!enrolled) throw new MeshError('POD_NOT_ELIGIBLE', `it is not part of the mesh: ${because}`);
  const fromEvent = (event.IPs ?? []).map((ip) => parseIp(ip.Address.IP)).filter((ip) => ip !== undefined);
  await o.enrol(pod, fromEvent.length > 0 ? fromEvent : pod.ips, event.Netns);
}

const messageOf = (error: unknown): string => {
  const inner = causedBy(error, MeshError);
  return inner?.message ?? (error instanceof Error ? error.message : String(error));
};

const LEVELS: Readonly<Record<string, LogLevel>> = { debug: 'debug', info: 'info', warn: 'warn', error: 'error' };
const MAX_LINES = 1_000;

/** `POST /log`: a list of strings, each a JSON log object. What is malformed is left out. */
export function logRoute(log: Logger): UnixRoute {
  return async (body) => {
    let lines: unknown;
    try {
      lines = JSON.parse(body);
    } catch {
      return { status: 400, body: 'the body is not JSON' };
    }
    if (!Array.isArray(lines)) return { status: 400, body: 'the body is not a list' };
    for (const line of lines.slice(0, MAX_LINES)) forward(log, line);
    return { status: 200, body: '' };
  };
}

function forward(log: Logger, line: unknown): void {
  let entry: unknown;
  try {
    entry = JSON.parse(String(line));
  } catch {
    return; // one broken line must not cost the others
  }
  if (typeof entry !== 'object' || entry === null) return;
  const { msg, level, time, ...more } = entry as Record<string, unknown>;
  if (typeof msg !== 'string' || typeof level !== 'string') return;
  const labels = Object.entries(more).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  const at = typeof time === 'string' ? { at: time } : {};
  log.log(LEVELS[level] ?? 'info', msg, { ...Object.fromEntries(labels), ...at });
}
