// What both test files need: where the server and the data are, and a fetch that can neither leave this machine nor hang.
// Import it before @apollo/client: see __DEV__.
//
// To run all: npm ci && THREADSTORE_URL=http://127.0.0.1:8080 THREADSTORE_DATA=threads.jsonl npm test
// where the store of the running server holds the threads of that file.

import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

// Apollo Client warns about lost cache data in development only, and takes Node for production unless told otherwise.
globalThis.__DEV__ = true;

/** How long one test may take, in milliseconds. */
export const testTimeout = 60_000;
/** How long one request may take, in milliseconds. */
const requestTimeout = 20_000;

function setting(name) {
  const value = process.env[name];
  assert.ok(value, `${name} must be set`);
  return value;
}

/** The endpoint of the server under test. */
export const endpoint = (() => {
  const base = setting('THREADSTORE_URL');
  const url = new URL(`${base.replace(/\/+$/, '')}/graphql`);
  assert.match(url.hostname, /^(127(\.\d+){3}|\[::1\]|localhost)$/, 'THREADSTORE_URL must name this machine: the tests write to the store');
  return url.href;
})();

/** fetch, of the endpoint only, and bounded. */
export function boundedFetch(input, init = {}) {
  const url = new URL(input);
  assert.equal(url.origin + url.pathname, endpoint);
  const timeout = AbortSignal.timeout(requestTimeout);
  return fetch(url, { ...init, redirect: 'error', signal: init.signal ? AbortSignal.any([init.signal, timeout]) : timeout });
}

/** Asks the server without any client in between, and returns the data. */
export async function ask(query, variables) {
  const response = await boundedFetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** The threads of the file in THREADSTORE_DATA, as Tyler writes them. The store under test holds them unchanged. */
export async function readData() {
  const threads = [];
  for await (const line of createInterface({ input: createReadStream(setting('THREADSTORE_DATA')), crlfDelay: Infinity })) {
    if (line.trim() !== '') threads.push(JSON.parse(line));
  }
  assert.ok(threads.length > 0, 'THREADSTORE_DATA holds no thread');
  return threads;
}
