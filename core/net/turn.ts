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

/** What a protocol gathers goes to the link that carries it, which gathers as well: a few times over, not for ever. */
const MAX_PASSES = 4;

function finish(): void {
  turns += 1;
  for (let pass = 0; pass < MAX_PASSES && dirty.size > 0; pass++) flushAll();
  isComing = false;
  if (dirty.size > 0) endTurn();
}

function flushAll(): void {
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
