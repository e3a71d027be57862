/** How late a thread is for what it had planned: the time for which one piece of work kept all others waiting. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { GaugeFamily, Registry } from '../../core/telemetry/index.ts';

/** Shorter would wake an idle thread more often; what is seen is what lasts longer than a part of this. */
const RESOLUTION_MS = 50;

export function lagMetric(registry: Registry): GaugeFamily {
  return registry.gauge(
    'ambit_loop_lag_seconds',
    'Longest time since the last scrape for which a thread kept its work waiting (unstable).',
    ['thread'],
  );
}

/** Measures the calling thread until disposed. */
export function measureLag(registry: Registry, thread: string): Disposable {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const lag = lagMetric(registry).labels([thread]);
  registry.onCollect(() => {
    lag.set(Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1_000));
    delay.reset();
  });
  return { [Symbol.dispose]: () => void delay.disable() };
}
