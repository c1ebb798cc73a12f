// What the test files share: a browser that can reach only the server under test, and what a user does in the page.
//
// To run: npm ci && THREADSTORE_URL=http://127.0.0.1:8080 npm test
// where the store of the running server is empty at the start.
// CHROMIUM names the browser (/usr/bin/chromium). SCREENSHOTS names a folder that gets pictures to look at.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

const base = new URL(process.env.THREADSTORE_URL ?? assert.fail('THREADSTORE_URL must be set')).href;
assert.match(new URL(base).hostname, /^(127(\.\d+){3}|\[::1\]|localhost)$/, 'THREADSTORE_URL must name this machine: the tests write to the store');

const patience = 20_000; // milliseconds for any one thing to appear
let browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', // root may not have one
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
    ],
  });
});

after(() => browser?.close());

/** Runs body with the page, and fails for anything that the console calls an error and for any other host that is asked for. */
export async function visit(options, body) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const wrong = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && wrong.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => wrong.push(`exception: ${error}`));
  page.on('requestfailed', (request) => wrong.push(`failed: ${request.url()}`));
  context.on('request', (request) => {
    if (!request.url().startsWith(base) && !/^(data|blob):/.test(request.url())) wrong.push(`another host: ${request.url()}`);
  });
  try {
    const document = await page.goto(base);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    await body(page, document, wrong);
    assert.deepEqual(wrong, []);
  } catch (error) {
    if (wrong.length > 0) error.message += `\nseen in the browser: ${wrong.join('\n')}`;
    throw error;
  } finally {
    await context.close();
  }
}

export const picture = async (page, name) => process.env.SCREENSHOTS && page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });

/** An editor, of which the page holds the lines in view. */
export const editor = (page, kind) => page.locator(`.graphiql-${kind}`);

export const tabs = (page) => page.locator('.graphiql-tab-button');

export const openTab = (page, name) => tabs(page).getByText(name, { exact: true }).click();

/** Presses the button, and returns the answer that the page got and showed. */
export async function run(page) {
  const answered = page.waitForResponse((response) => response.url() === `${base}graphql` && !/query (FirstRun|Examples)/.test(response.request().postData()));
  await page.locator('.graphiql-execute-button').click();
  const response = await answered;
  const text = await response.text();
  const shown = text.includes('"errors"') ? '"errors"' : '"data"';
  await editor(page, 'response').getByText(shown).first().waitFor();
  return { text, sent: response.request().postData(), ...JSON.parse(text) };
}

/** Asks the API beside the page. */
export async function ask(query, variables) {
  const response = await fetch(`${base}graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** Replaces what is in an editor. */
export async function write(page, kind, text) {
  await editor(page, kind).locator('.view-line').first().click();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
}
