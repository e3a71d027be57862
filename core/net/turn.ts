/** The end of a turn of the event loop's poll phase: one immediate for all that has to happen there. */

/** Everything that gathered bytes in this turn sends them, once. */
const dirty = new Set<{ flush(): void }>();
let isComing = false;
let turns = 0;

/** Of this thread, in which a descriptor was ready: grows while connections carry traffic. */
export const turnsSoFar = (): number => turns;

/** Flushes at the end of this turn. */
export function flushSoon(what: { flush(): void }): void {
  dirty.add(what);
  endTurn();
}

/**
 * Makes the turn end as one of Node's own callbacks does. Node runs promises and ticks after those, but does not know of the
 * callbacks that libuv calls through `node:ffi`: what they resolve would wait for the next unrelated event.
 */
export function endTurn(): void {
  if (isComing) return;
  isComing = true;
  setImmediate(finish);
}

function finish(): void {
  isComing = false;
  turns += 1;
  if (dirty.size === 0) return;
  const now = [...dirty];
  dirty.clear();
  for (const what of now) {
    try {
      what.flush();
    } catch (error) {
      // The bug of one connection's user must not keep the bytes of the others.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
