/**
 * The notation of the field tables. A line is `Message: field, field ...`, continued lines are indented; a field is
 * `NUMBER TYPE NAME`, where NAME is its JSON name. TYPE is a message of the same table, of the core group or of the
 * metadata, or one of
 *
 *     s string   b bool   i integer   d double   y bytes   Q Quantity    R JSON inside bytes (RawExtension, FieldsV1)
 *     T Time     U MicroTime          D Duration           O IntOrString <s> a message that is only a list of strings
 *
 * In front of it: `[]` list, `{}` map from string, `*` a Go pointer (present means said, also when zero), `!` always
 * written, `^` a Go-embedded struct (inline in JSON, has no name); with none of them a zero value means absent.
 */
export type Shape = 'value' | 'required' | 'pointer' | 'list' | 'map' | 'inline';

export type FieldType =
  | { readonly kind: 'scalar'; readonly code: ScalarCode }
  | { readonly kind: 'strings' }
  | { readonly kind: 'message'; readonly name: string };

export type ScalarCode = 's' | 'b' | 'i' | 'd' | 'y' | 'Q' | 'R' | 'T' | 'U' | 'D' | 'O';

export type Field = { readonly name: string; readonly shape: Shape; readonly type: FieldType };

/** Fields by number. */
export type Message = ReadonlyMap<number, Field>;
export type FieldTable = ReadonlyMap<string, Message>;

const SCALARS: ReadonlySet<string> = new Set<ScalarCode>(['s', 'b', 'i', 'd', 'y', 'Q', 'R', 'T', 'U', 'D', 'O']);
const SHAPES: Readonly<Record<string, Shape>> = {
  '': 'value',
  '!': 'required',
  '*': 'pointer',
  '[]': 'list',
  '{}': 'map',
  '^': 'inline',
};
const FIELD = /^(\d+) (\[\]|\{\}|[!*^]|)(<s>|\w+)(?: ([\w-]+))?$/;

/** Reads a table; a line that does not follow the notation throws: the tables are part of the program. */
export function parseFieldTable(text: string): FieldTable {
  const table = new Map<string, Message>();
  for (const line of text.trim().replace(/\n\s+/g, ' ').split('\n')) {
    const [name = '', fields = ''] = line.split(/: */);
    const message = new Map<number, Field>();
    for (const field of fields === '' ? [] : fields.split(', ')) {
      const [, number, prefix = '', type = '', json = ''] = FIELD.exec(field) ?? [];
      const shape = SHAPES[prefix];
      if (number === undefined || shape === undefined) throw new Error(`${name}: not a field: ${field}`);
      message.set(Number(number), { name: json, shape, type: fieldType(type) });
    }
    table.set(name, message);
  }
  return table;
}

function fieldType(type: string): FieldType {
  if (type === '<s>') return { kind: 'strings' };
  if (isScalar(type)) return { kind: 'scalar', code: type };
  return { kind: 'message', name: type };
}

const isScalar = (type: string): type is ScalarCode => SCALARS.has(type);
