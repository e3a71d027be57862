/** The SQLite side of the store: one row per object, a log of events, one counter; every write is one transaction. */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';
export type ObjectRow = { readonly resource: string; readonly body: string };
export type EventRow = {
  readonly revision: number;
  readonly type: EventType;
  readonly resource: string;
  readonly body: string;
  readonly before: string | null;
};
export type WriteRow = EventRow & {
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since the epoch: decides when the event leaves the log. */
  readonly at: number;
};

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS events (
    revision INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, resource TEXT NOT NULL,
    body TEXT NOT NULL, before TEXT);
  CREATE INDEX IF NOT EXISTS events_by_resource ON events (resource, revision);
  CREATE TABLE IF NOT EXISTS counter (
    id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL);
  INSERT OR IGNORE INTO counter VALUES (1, 1, 0);
`;

export class Database implements Disposable {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #log: StatementSync;
  readonly #count: StatementSync;
  readonly #since: StatementSync;
  readonly #oldest: StatementSync;
  readonly #trim: StatementSync;
  readonly #compacted: StatementSync;

  /** Opens or makes the file; an unclean end of the last process is repaired by SQLite's log. */
  constructor(path: string) {
    // Secrets are in it: SQLite gives its log files the mode of this one.
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
    this.#db = new DatabaseSync(path);
    this.#db.exec(SCHEMA);
    this.#put = this.#db.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)');
    this.#remove = this.#db.prepare('DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?');
    this.#log = this.#db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)');
    this.#count = this.#db.prepare('UPDATE counter SET revision = ?');
    this.#since = this.#db.prepare(
      'SELECT revision, type, resource, body, before FROM events WHERE resource = ? AND revision > ? ORDER BY revision',
    );
    this.#oldest = this.#db.prepare('SELECT max(revision) AS revision FROM events WHERE at < ?');
    this.#trim = this.#db.prepare('DELETE FROM events WHERE revision <= ?');
    this.#compacted = this.#db.prepare('UPDATE counter SET compacted = ?');
  }

  counter(): { readonly revision: number; readonly compacted: number } {
    const row = this.#db.prepare('SELECT revision, compacted FROM counter').get();
    return { revision: Number(row?.['revision']), compacted: Number(row?.['compacted']) };
  }

  objects(): readonly ObjectRow[] {
    return this.#db.prepare('SELECT resource, body FROM objects').all() as unknown as readonly ObjectRow[];
  }

  /** One change: the row, the event and the counter, or none of them. */
  write(row: WriteRow): void {
    this.#transaction(() => {
      if (row.type === 'DELETED') this.#remove.run(row.resource, row.namespace, row.name);
      else this.#put.run(row.resource, row.namespace, row.name, row.body);
      this.#log.run(row.revision, row.at, row.type, row.resource, row.body, row.before);
      this.#count.run(row.revision);
    });
  }

  eventsSince(resource: string, revision: number): readonly EventRow[] {
    return this.#since.all(resource, revision) as unknown as readonly EventRow[];
  }

  /** Forgets events older than the time given; returns the newest revision forgotten, if any. */
  compact(before: number): number | undefined {
    const newest = this.#oldest.get(before)?.['revision'];
    if (typeof newest !== 'number') return undefined;
    this.#transaction(() => {
      this.#trim.run(newest);
      this.#compacted.run(newest);
    });
    return newest;
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
