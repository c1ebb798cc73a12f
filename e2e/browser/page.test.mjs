// The page at / on a store that is empty at the start.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editor, openTab, picture, run, tabs, visit, write } from './support.mjs';

test('an empty store says so, and one button fills it', () =>
  visit({}, async (page) => {
    await page.getByText('This store is empty.').waitFor();
    assert.match(await page.locator('.first-run').innerText(), /go run \. import FILE in a clone, threadstore import FILE with an installed program/);
    await picture(page, 'empty-1440-light');
    await page.getByRole('button', { name: 'Load sample data' }).click();
    await page.getByText('8 conversations with 61 messages are in the store now.').waitFor();
    await editor(page, 'response').getByText('"sample-unanswered"').waitFor(); // and the first example has run
    await picture(page, 'filled-1440-light');
    await page.getByRole('button', { name: 'Got it' }).click();
    await page.locator('.first-run').waitFor({ state: 'detached' });
  }));

test('the page is served with its policy, and its assets for ever', () =>
  visit({}, async (page, document) => {
    const policy = document.headers()['content-security-policy'];
    assert.match(policy, /default-src 'self'; script-src 'self';/);
    assert.equal(document.headers()['cache-control'], 'no-store');
    const sizes = await page.evaluate(() => performance.getEntriesByType('resource').filter((e) => e.name.includes('/assets/')).map((e) => e.encodedBodySize));
    assert.ok(sizes.length > 5);
    const loaded = sizes.reduce((a, b) => a + b);
    assert.ok(loaded < 2.5e6, `the page loads ${loaded} bytes`);
    const script = await page.request.get(await page.evaluate(() => document.querySelector('script[src]').src));
    assert.match(script.headers()['cache-control'], /immutable/);
    assert.equal(script.headers()['content-encoding'], 'gzip');
    assert.equal(await page.getByText('This store is empty.').count(), 0); // it is not any more
  }));

test('SaveThread guards against stale saves, and an error shows its code', () =>
  visit({}, async (page) => {
    await openTab(page, 'SaveThread');
    const first = await run(page);
    const variables = { ...JSON.parse(first.sent).variables, read: first.data.saveThread.updatedAt };
    await write(page, 'editor-tool', JSON.stringify(variables));
    const second = await run(page);
    assert.equal(second.errors, undefined, second.text);
    const third = await run(page);
    assert.equal(third.errors[0].extensions.code, 'CONFLICT');
    await editor(page, 'response').getByText('"CONFLICT"').waitFor();
    await picture(page, 'error');
  }));

test('an example opens anew, with variables from the store', () =>
  visit({}, async (page) => {
    await page.getByLabel('Show Examples').click();
    await page.locator('.examples').getByText('FindBySource').click();
    await tabs(page).nth(6).getByText('FindBySource').waitFor();
    const answer = await run(page);
    assert.ok(answer.data.findThreadsBySource.length > 0, answer.text);
    await picture(page, 'examples');
  }));

test('numbers go out and come back exactly', () =>
  visit({}, async (page) => {
    await page.getByLabel('New tab').click();
    await write(page, 'query-editor', 'mutation($t: ThreadInput!) { saveThread(thread: $t) { attributes } ');
    const exact = '12345678901234567890';
    await write(page, 'editor-tool', `{"t": {"id": "exact", "attributes": {"n": ${exact}, "one": 1.0, /* a comment */ "small": 0.10}}}`);
    const { sent, text } = await run(page);
    for (const where of [sent, text]) assert.match(where, new RegExp(exact));
    await editor(page, 'response').getByText(exact).waitFor();
    await editor(page, 'response').getByText('1.0').waitFor();
  }));

test('the documentation opens, and tells what a field means', () =>
  visit({}, async (page) => {
    const docs = page.locator('.graphiql-plugin'); // open from the start on a wide screen
    await docs.getByText('All Schema Types').waitFor();
    await docs.getByRole('link', { name: 'Query', exact: true }).click();
    await docs.getByRole('link', { name: 'findThreadsByAttributes', exact: true }).click();
    await docs.getByText('Equal means equal as JSON').waitFor();
    await picture(page, 'docs');
  }));

test('the history keeps queries, and nothing keeps credentials', () =>
  visit({}, async (page) => {
    await page.getByRole('button', { name: 'Headers' }).click();
    await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden)').click();
    await page.keyboard.insertText('{"x-api-key": "hush-0123"}');
    const sent = page.waitForRequest((request) => request.headers()['x-api-key'] === 'hush-0123');
    await page.keyboard.press('ControlOrMeta+Enter');
    await sent;
    await page.waitForTimeout(1500); // GraphiQL stores after half a second
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.match(stored, /query RecentThreads/);
    assert.doesNotMatch(stored, /hush/);
    await page.reload();
    await tabs(page).nth(5).waitFor();
    assert.equal(await tabs(page).count(), 6, 'a tab has come or gone');
    await editor(page, 'query-editor').getByText('RecentThreads').waitFor();
    await page.getByLabel('Show History').click();
    await page.locator('.graphiql-history-item').getByText('RecentThreads').first().waitFor();
    assert.doesNotMatch(await page.content(), /hush/);
    await picture(page, 'history');
  }));

for (const colorScheme of ['light', 'dark']) {
  for (const [width, height] of [[375, 812], [1440, 900]]) {
    test(`${colorScheme}, ${width} pixels wide`, () =>
      visit({ colorScheme, viewport: { width, height } }, async (page) => {
        await openTab(page, 'RecentThreads');
        await run(page);
        await picture(page, `run-${width}-${colorScheme}`);
        const [red, green, blue] = await page
          .locator('.graphiql-container')
          .evaluate((element) => getComputedStyle(element).backgroundColor.match(/\d+/g).map(Number));
        assert.equal((red + green + blue) / 3 < 128, colorScheme === 'dark', `the background is ${red}, ${green}, ${blue}`);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen');
        for (const part of ['.graphiql-query-editor', '.graphiql-response', '.graphiql-execute-button']) {
          const box = await page.locator(part).boundingBox();
          assert.ok(box.x >= 0 && box.x + box.width <= width && box.y + box.height <= height, `${part} sticks out: ${JSON.stringify(box)}`);
          assert.ok(box.width >= 40 && (part.includes('button') || box.width >= 250), `${part} is too narrow: ${JSON.stringify(box)}`);
        }
        await page.getByLabel('Show Examples').click();
        await page.locator('.examples').getByText('OneThread').waitFor();
        await picture(page, `examples-${width}-${colorScheme}`);
      }));
  }
}
