/** How many requests may be on their second try at once: an upstream in trouble must not get a multiple of its load. */

/** Of the requests under way. */
const SHARE = 0.2;
/** So many always may, or a quiet service could never try again, and one whose endpoint leaves would fail what was on its way there. */
const MINIMUM = 10;

export class RetryBudget {
  active = 0;
  retrying = 0;

  /** Takes a place, which the caller gives back with {@link giveBack}; false when there is none. */
  take(): boolean {
    if (this.retrying >= Math.max(MINIMUM, Math.floor(this.active * SHARE))) return false;
    this.retrying += 1;
    return true;
  }

  giveBack(): void {
    this.retrying -= 1;
  }
}
