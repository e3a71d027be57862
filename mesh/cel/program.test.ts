import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CelError } from './ast.ts';
import { type CelAttributes, compileCel } from './program.ts';
import { type CelValue, Duration, Timestamp } from './values.ts';

const ATTRIBUTES: CelAttributes = {
  'request.path': 'string',
  'request.headers': 'map',
  'request.duration': 'duration',
  'request.time': 'timestamp',
  'response.code': 'int',
  'response.trailers': 'map',
};
const VALUES: Readonly<Record<string, CelValue>> = {
  'request.path': '/a/b?c=d',
  'request.headers': { 'user-agent': 'curl/8', 'x-n': '7' },
  'request.duration': new Duration(0.3),
  'request.time': new Timestamp(Date.UTC(2024, 1, 29)),
  'response.code': 404,
};
/** Whoever compiles expressions of others catches nothing else. */
const isCelError = (message: RegExp) => (error: unknown) => error instanceof CelError && message.test(error.message);
const resultOf = (text: string) => compileCel(text, ATTRIBUTES).evaluate((name) => VALUES[name]);

test('an expression over attributes is worked out', async (t) => {
  const rows: Readonly<Record<string, CelValue>> = {
    'response.code >= 400': true,
    'response.code in [200, 204] || request.path == "/"': false,
    'request.headers["user-agent"].startsWith("curl")': true,
    '"x-n" in request.headers && int(request.headers["x-n"]) == 7': true,
    "request.headers['absent'] == 'a'": 'no such key: absent',
    "'absent' in request.headers": false,
    'has(request.headers.absent)': false,
    'has(response.trailers)': false,
    'has(request.path)': true,
    'response.trailers["a"] == "b"': 'undeclared reference to response.trailers',
    'response.trailers["a"] == "b" || response.code == 404': true,
    'request.duration > duration("250ms")': true,
    'duration(string(duration("1ns"))) > duration("0s")': true,
    '"😀é!".indexOf("!")': 2,
    '"😀é!é".lastIndexOf("é")': 3,
    '"😀é".indexOf("x")': -1,
    'request.path.matches("^/[a-z]/b")': true,
    'matches(request.path, "b[?]c")': true,
    'request.path.matches("^b")': false,
    'request.path.matches("c=$")': false,
    'request.path.split("?")[0] + "!"': '/a/b!',
    'request.headers.exists(name, name.startsWith("x-"))': true,
    '["a"].map(request, request + "b")': ['ab'],
    'response.code == 404 ? "gone" : string(response.code)': 'gone',
    '{"a": 1, 2: 3} == {"a": 1, "2": 3}': true,
    '{{"toString": 1, "valueOf": 1}: 2}': 'a key of a map can not be of type map',
    '{[1]: 2}': 'a key of a map can not be of type list',
    '{request.time: 2}': 'a key of a map can not be of type timestamp',
    '"a😀b".size() == 3 && "a😀b".charAt(1) == "😀" && "a😀b".charAt(3) == ""': true,
    '"a😀b".substring(1) == "😀b" && "a😀b".substring(0, 2) == "a😀" && "a😀b".substring(3) == ""': true,
    '"a😀b".substring(2, 1)': 'index out of range: 2, 1',
    '"a😀b".substring(4)': 'index out of range: 4, 3',
    '"a😀b".substring(0, 4)': 'index out of range: 0, 4',
    '"a😀b".substring(-1)': 'index out of range: -1, 3',
    '[1][1]': 'index out of bounds: 1',
    '[1][-1]': 'index out of bounds: -1',
    '[1][0.5]': 'no such overload for double',
    '[1]["a"]': 'no such overload for string',
    '[1][{"toString": 1, "valueOf": 1}]': 'no such overload for map',
    'request.path > 3': 'no such overload: these values have no order',
    '"\\x41\\u00e9\\U0001F600\\101\\n\\q?"': 'Aé😀A\nq?',
    '"\\U0010FFFF?"': '\u{10ffff}?',
  };
  for (const [text, expected] of Object.entries(rows)) {
    await t.test(text, () => {
      if (typeof expected === 'string' && !text.includes('?'))
        assert.throws(() => resultOf(text), { message: expected });
      else assert.deepEqual(resultOf(text), expected);
    });
  }
});

test('times are those of the years 1 to 9999, and anything else is an error of the expression', async (t) => {
  const rows: Readonly<Record<string, string | RegExp>> = {
    'string(request.time)': '2024-02-29T00:00:00.000Z',
    'string(request.time + duration("24h"))': '2024-03-01T00:00:00.000Z',
    'string(duration("24h") + request.time)': '2024-03-01T00:00:00.000Z',
    'string(request.time - duration("24h"))': '2024-02-28T00:00:00.000Z',
    'duration("24h") - request.time': /a number is needed/,
    'string(duration("100ns"))': '0.0000001s',
    'string(duration("1h") - duration("1h"))': '0s',
    'string(duration("-90s"))': '-90s',
    'string(timestamp("0001-01-01T00:00:00Z"))': '0001-01-01T00:00:00.000Z',
    'string(timestamp("9999-12-31T23:59:59.999Z"))': '9999-12-31T23:59:59.999Z',
    'string(timestamp("2024-02-29T01:30:00.5+01:00"))': '2024-02-29T00:30:00.500Z',
    'timestamp("0000-12-31T23:59:59Z")': /not a timestamp: 0000/,
    'timestamp("9999-12-31T23:59:59-00:01")': /not a timestamp: 9999/,
    'timestamp("2024-02-29T00:00:00")': /not a timestamp: 2024/,
    'timestamp("2024-02-29T00:00:00 GMT")': /not a timestamp: 2024/,
    'string(request.time + duration("80000000h"))': /a time before the year 1 or after 9999/,
    'string(request.time + duration("-80000000h"))': /a time before the year 1 or after 9999/,
    'string(timestamp("9999-12-31T23:59:59.999Z") - timestamp("0001-01-01T00:00:00Z"))': '315537897599.999s',
    'string(duration("87660000h"))': '315576000000s',
    'duration("87660001h")': /not a duration: 87660001h/,
    'duration("-87660001h")': /not a duration: -87660001h/,
    [`duration("${'9'.repeat(400)}h")`]: /not a duration/,
    'duration("87660000h") + duration("1s")': /a duration of more than ten thousand years/,
    'duration("-87660000h") - duration("1s")': /a duration of more than ten thousand years/,
  };
  for (const [text, expected] of Object.entries(rows)) {
    await t.test(text.slice(0, 90), () => {
      if (typeof expected === 'string') assert.equal(resultOf(text), expected);
      else assert.throws(() => resultOf(text), isCelError(expected));
    });
  }
});

test('an attribute is asked for once while an expression is evaluated, and again the next time', async (t) => {
  const rows: Readonly<Record<string, readonly string[]>> = {
    'response.code == 404': ['response.code'],
    'response.code == 404 && request.path != ""': ['response.code', 'request.path'],
    'response.code > 1 && response.code < 500': ['response.code'],
    '"x-n" in request.headers && request.headers["x-n"] == "7"': ['request.headers'],
    'has(response.trailers) || response.trailers.exists(t, true) || true': ['response.trailers'],
    '[1, 2].all(x, x < response.code)': ['response.code'],
    'request.headers.all(h, h != "" && request.headers[h] != request.path)': ['request.headers', 'request.path'],
  };
  for (const [text, expected] of Object.entries(rows)) {
    await t.test(text, () => {
      const program = compileCel(text, ATTRIBUTES);
      for (const time of ['first', 'second']) {
        const asked: string[] = [];
        const result = program.evaluate((name) => {
          asked.push(name);
          return VALUES[name];
        });
        assert.deepEqual([result, asked], [true, expected], time);
      }
    });
  }
});

test('what is wrong with an expression is said when it is compiled', async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    'response.code >': /unexpected the end/,
    '#': /unexpected character "#" at 0/,
    'xds.cluster_name == "a"': /xds is not known here; there are request, response$/,
    'response.codes == 1': /response\.codes is not known here; of response there are code, trailers$/,
    'request["path"] == "/"': /request has attributes, and is no value itself; of request/,
    'has(response.codes)': /response\.codes is not known/,
    '[1].all(x, y == x)': /y is not known here/,
    'request.path.reverse() == "a"': /there is no reverse that takes 0 arguments/,
    'request.path.matches("(a")': /matches\("\(a"\): not a pattern that can be run/,
    'request.path.matches(request.path)': /written out/,
    'matches("a")': /one pattern/,
    'request.path == "a\\U00110000"': /^\\U00110000 stands for no character, at 18$/,
    '"""\\UFFFFFFFF"""': /^\\UFFFFFFFF stands for no character, at 3$/,
    "'\\uD800'": /^\\uD800 stands for no character, at 1$/,
    '"\\ud83d\\ude00"': /^\\ud83d stands for no character, at 1$/,
    '"\\U0000DFFF"': /stands for no character/,
    [Array.from({ length: 100 }, () => '"".matches("(a{100}){90}")').join(' || ')]: /its patterns are too large/,
    [`"${'a'.repeat(5000)}" == ""`]: /longer than 4096 characters/,
    [`${'('.repeat(300)}1${')'.repeat(300)} == 1`]: /nested too deeply/,
    [`${'!'.repeat(300)}true`]: /nested too deeply/,
    [`true${'||1'.repeat(1001)}`]: /more than 1000 operations/,
    [`1${'+1'.repeat(1001)}`]: /more than 1000 operations/,
    [`request.path${'.a'.repeat(1001)}`]: /more than 1000 operations/,
    [`[1]${'[0]'.repeat(1001)}`]: /more than 1000 operations/,
  };
  for (const [text, problem] of Object.entries(rows)) {
    await t.test(text.slice(0, 60), () => assert.throws(() => compileCel(text, ATTRIBUTES), isCelError(problem)));
  }
});

test('the type of a value is known where it does not depend on the request', async (t) => {
  const rows: Readonly<Record<string, string | undefined>> = {
    'response.code': 'int',
    'response.code > 1 && true': 'bool',
    'request.headers': 'map',
    'request.headers["a"]': undefined,
    'request.path.matches("a")': 'bool',
    'true ? "a" : "b"': 'string',
    'true ? "a" : 1': undefined,
    '"a" + "b"': undefined,
    '["a"].map(x, x)': 'list',
    'request.path.size()': 'int',
  };
  for (const [text, type] of Object.entries(rows)) {
    await t.test(text, () => assert.equal(compileCel(text, ATTRIBUTES).type, type));
  }
});
