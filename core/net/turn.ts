/** The end of a turn of the event loop's poll phase: one immediate for all that has to happen there. */

/** Everything that gathered bytes in this turn sends them, once. */
const dirty = new Set<{ flush(): void }>();
let isComing = false;
let turns = 0;

/*
 * An event that only moves bytes between two connections need not wait for the end of its turn, which costs more than the moving
 * does: nothing is to be done there but to send what was gathered. That is better done once for many events, so it is done at
 * once only while turns have a single event. Anything that is not known to be such an event ends the turn.
 */

/** So many turns in a row with one event make the next ones likely to have one, too. */
const THIN_TURNS = 32;
/** Events in a row that do not wait; then one does, which shows whether more of them come in a turn by now. */
const LOOK_EVERY = 32;
let thinTurns = 0;
let unwaited = 0;
let isInside = false;
/** Of the turn whose end is coming, from the event on that asked for it. */
let events = 0;
/** Of the event under way. */
let came = 0;
let moved = 0;

/** Of this thread, in which a descriptor was ready: grows while connections carry traffic. */
export const turnsSoFar = (): number => turns;

/** Flushes at the end of this turn, or of the event under way when that is all that there is to do. */
export function flushSoon(what: { flush(): void }): void {
  dirty.add(what);
  if (!isInside) endTurn();
}

/** As a microtask, which runs in this turn even when nothing else asks for its end. */
export function soon(work: () => void): void {
  queueMicrotask(work);
  endTurn();
}

/** Bytes are about to be told to whoever reads them. */
export function bytesCome(): void {
  came += 1;
}

/** What came was written on, and nothing else came of it: no promise was settled, and nobody waits. */
export function bytesMoved(): void {
  moved += 1;
}

/** libuv says that a descriptor is ready. */
export function beginEvent(): void {
  isInside = true;
  came = 0;
  moved = 0;
  if (isComing) events += 1;
}

/** All has been done about it. */
export function endEvent(): void {
  const isQuiet = !isComing && came > 0 && came === moved;
  if (isQuiet && thinTurns >= THIN_TURNS && unwaited < LOOK_EVERY) {
    unwaited += 1;
    turns += 1;
    flushPasses();
    if (dirty.size > 0) endTurn();
  } else {
    endTurn();
  }
  isInside = false;
}

/**
 * Makes the turn end as one of Node's own callbacks does. Node runs promises and ticks after those, but does not know of the
 * callbacks that libuv calls through `node:ffi`: what they resolve would wait for the next unrelated event.
 */
export function endTurn(): void {
  if (isComing) return;
  isComing = true;
  events = isInside ? 1 : 0;
  setImmediate(finish);
}

function finish(): void {
  turns += 1;
  unwaited = 0;
  if (events > 1) thinTurns = 0;
  else if (events === 1) thinTurns += 1;
  flushPasses();
  isComing = false;
  if (dirty.size > 0) endTurn();
}

/** What a protocol gathers goes to the link that carries it, which gathers as well: a few times over, not for ever. */
const MAX_PASSES = 4;

function flushPasses(): void {
  for (let pass = 0; pass < MAX_PASSES && dirty.size > 0; pass++) flushAll();
}

function flushAll(): void {
  const now = [...dirty];
  dirty.clear();
  for (const what of now) {
    try {
      what.flush();
    } catch (error) {
      // The bug of one connection's user must not keep the bytes of the others.
      soon(() => {
        throw error;
      });
    }
  }
}
