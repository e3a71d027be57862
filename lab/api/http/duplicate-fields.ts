/** Finds keys that appear twice in one object of a JSON text: JSON.parse keeps the last and says nothing. */

/** Paths such as `spec.replicas` or `spec.containers[0].name`. The text must be valid JSON. */
export function duplicateFields(text: string): readonly string[] {
  const found = new Set<string>();
  // A container being read: its path, and for an object the keys seen so far.
  const stack: { readonly path: string; readonly keys: Set<string> | undefined; index: number; key: string }[] = [];
  const pathHere = (): string => {
    const top = stack.at(-1);
    if (top === undefined) return '';
    if (top.keys === undefined) return `${top.path}[${top.index}]`;
    return top.path === '' ? top.key : `${top.path}.${top.key}`;
  };
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '{':
        stack.push({ path: pathHere(), keys: new Set(), index: 0, key: '' });
        expectKey = true;
        break;
      case '[':
        stack.push({ path: pathHere(), keys: undefined, index: 0, key: '' });
        expectKey = false;
        break;
      case '}':
      case ']':
        stack.pop();
        expectKey = false;
        break;
      case ',': {
        const top = stack.at(-1);
        if (top?.keys === undefined) {
          if (top) top.index += 1;
        } else expectKey = true;
        break;
      }
      case '"': {
        const start = i;
        for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
        const top = stack.at(-1);
        if (expectKey && top?.keys !== undefined) {
          top.key = JSON.parse(text.slice(start, i + 1)) as string;
          if (top.keys.has(top.key)) found.add(pathHere());
          top.keys.add(top.key);
          expectKey = false;
        }
        break;
      }
      default:
    }
  }
  return [...found];
}
