import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCallee, formatCaller, parseCallee, parseCaller } from './question.ts';

/** What is written, and how it is written back. */
const callers: readonly [string, string][] = [
  ['pod/web.shop', 'pod/web.shop'],
  ['pod/web-1.2.shop', 'pod/web-1.2.shop'],
  ['pod/web', 'pod/web.default'],
  ['sa/web.shop', 'sa/web.shop'],
  ['serviceaccount/web.shop', 'sa/web.shop'],
  ['10.1.0.1', '10.1.0.1'],
  ['FD00::0:1', 'fd00::1'],
];
for (const [text, meant] of callers) {
  test(`a caller can be written as ${text}`, () => {
    const parsed = parseCaller(text);
    assert.equal(parsed.ok && formatCaller(parsed.value), meant);
  });
}

const callees: readonly [string, string][] = [
  ['svc/cart.shop:80', 'svc/cart.shop:80'],
  ['service/cart:80', 'svc/cart.default:80'],
  ['pod/cart-1.shop:8080', 'pod/cart-1.shop:8080'],
  ['cart.shop:80', 'cart.shop:80'],
  ['Cart.Shop.:80', 'cart.shop:80'],
  ['10.1.0.1:80', '10.1.0.1:80'],
  ['[fd00::0:1]:80', '[fd00::1]:80'],
];
for (const [text, meant] of callees) {
  test(`a destination can be written as ${text}`, () => {
    const parsed = parseCallee(text);
    assert.equal(parsed.ok && formatCallee(parsed.value), meant);
  });
}

const badCallers: readonly [string, RegExp][] = [
  ['', /^"": expected pod\/NAME\.NAMESPACE, sa\/NAME\.NAMESPACE or an IP address$/],
  ['web', /expected pod\/NAME/],
  ['deploy/web.shop', /expected pod\/NAME/],
  ['pod/', /expected pod\/NAME/],
  ['pod/Web.shop', /expected pod\/NAME/],
  ['pod/web.', /expected pod\/NAME/],
  ['10.1.0.1:80', /expected pod\/NAME/],
  ['10.1.0', /expected pod\/NAME/],
];
for (const [text, wanted] of badCallers) {
  test(`${JSON.stringify(text)} is no caller`, () => {
    const parsed = parseCaller(text);
    assert.match(parsed.ok ? 'ok' : parsed.problem, wanted);
  });
}

const badCallees: readonly [string, RegExp][] = [
  ['', /expected svc\/NAME\.NAMESPACE:PORT/],
  ['svc/cart.shop', /a port from 1 to 65535 must follow/],
  ['svc/cart.shop:http', /a port from 1 to 65535 must follow/],
  ['svc/cart.shop:0', /a port from 1 to 65535 must follow/],
  ['pod/cart.shop:65536', /a port from 1 to 65535 must follow/],
  ['svc/:80', /expected svc\/NAME/],
  ['cart.shop', /a port must follow, as in cart\.shop:8080/],
  ['10.1.0.1', /a port must follow/],
  ['sa/web.shop:80', /expected svc\/NAME/],
  ['http://cart.shop:80', /expected svc\/NAME/],
  ['10.1.0:80', /expected svc\/NAME/],
];
for (const [text, wanted] of badCallees) {
  test(`${JSON.stringify(text)} is no destination`, () => {
    const parsed = parseCallee(text);
    assert.match(parsed.ok ? 'ok' : parsed.problem, wanted);
  });
}
